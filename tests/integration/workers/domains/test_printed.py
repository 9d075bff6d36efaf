"""Tests of what an operator's program prints: it is kept with the command, and the text says where."""

import shlex
import sys

import pytest

from certline.models import CommandStatus, ProviderKind
from tests.integration.workers.domains.conftest import Validations


@pytest.fixture
def own(validations: Validations) -> Validations:
    """Return validations without a provider but what a test adds."""
    validations.remove_provider()
    return validations


def test_what_a_program_prints_that_asks_for_patience_is_kept_while_it_is_waited_for(
    own: Validations,
) -> None:
    program = "sh -c 'echo the API is closed at night; exit 75'"
    own.add_provider("own", kind=ProviderKind.COMMAND, command=program)

    waiting = own.bench.run(own.request().id)

    assert waiting.status is CommandStatus.QUEUED
    said = f"try later (exit code 75). What it printed: certline command show {waiting.id}"
    assert said in (own.row(waiting).said or "")
    assert waiting.result == {"output": "the API is closed at night\n"}
    assert "closed at night" not in (waiting.error or "")


def test_what_a_program_prints_that_cannot_take_the_proof_away_is_kept(own: Validations) -> None:
    own.bench.settings(dcv_checks=False)
    own.add_provider("own", kind=ProviderKind.COMMAND, command=program_that_cannot_remove(own))

    ended = own.run_to_the_end(own.request())

    assert ended.status is CommandStatus.DONE
    assert ended.result is not None
    assert ended.result["output"] == "the record is locked\n"
    assert "is left there: the program sh ended with exit code 1" in ended.result["said"]
    assert f"certline command show {ended.id}" in ended.result["said"]


def program_that_cannot_remove(own: Validations) -> str:
    """Return a program that adds a record, and fails to remove one."""
    host, port = own.dns.host, own.dns.port
    key = own.dns.zone_of("nordhafen.example").key
    change = (
        "import os, dns.update, dns.query, dns.tsigkeyring; e = os.environ; "
        "u = dns.update.UpdateMessage(e['CERTLINE_DNS_ZONE'], keyring=dns.tsigkeyring.from_text("
        f"{{'{key}': '{own.dns.secret_of(key)}'}})); "
        "u.add(e['CERTLINE_DNS_NAME'] + '.', 60, 'CNAME', e['CERTLINE_DNS_VALUE'] + '.'); "
        f"dns.query.tcp(u, '{host}', 10, {port})"
    )
    python = f'{sys.executable} -c "{change}"'
    return shlex.join(
        [
            "sh",
            "-c",
            f'if [ "$CERTLINE_DNS_ACTION" = add ]; then {python}; else echo the record is locked; exit 1; fi',
        ]
    )
