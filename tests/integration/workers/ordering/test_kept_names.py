"""Tests that no successor loses IP addresses, mail addresses or URIs without a word about it."""

from typing import Any

import pytest
from sqlalchemy import update

from certline.models import Certificate, Command, CommandStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import OrderCommand, RenewCommand
from certline.models.validation import BadCommandError
from certline.producers.renewals.verdicts import RenewalChoices, judge_many
from certline.producers.requests.certificates import request_successor
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    RENEW,
    REPLACE,
    asked_from_outside,
    go_on,
    now,
    reissue,
    renewal,
    stored,
)

NAMES = ["IP:192.0.2.7", "email:ops@nordhafen.example"]
HAS = r"www.nordhafen.example also has IP:192.0.2.7, email:ops@nordhafen.example"


@pytest.fixture
def old(bench: Bench) -> Certificate:
    """Return a stored certificate that has names of other kinds, as an imported one may."""
    certificate = stored(bench)
    assert certificate.other_names == []
    with bench.database.transaction() as db:
        db.execute(update(Certificate).values(other_names=NAMES))
    return now(bench, certificate)


@pytest.mark.parametrize("successor", [renewal, reissue])
def test_a_successor_that_may_lack_names_is_refused_before_anything_is_sent(
    bench: Bench, old: Certificate, successor: Any
) -> None:
    with pytest.raises(BadCommandError, match=f"{HAS}; .*--without-other-names"):
        successor(bench, old)

    go_on(bench)
    assert (bench.calls(RENEW), bench.calls(REPLACE)) == (0, 0)


def test_a_renewal_goes_on_without_them_if_it_is_told_to_and_warns(
    bench: Bench, old: Certificate
) -> None:
    wanted = RenewCommand(certificate=old.id, without_other_names=True)

    accepted = request_successor(
        bench.database, bench.line.vault, wanted, requested_by=Identity("os:ida")
    )
    go_on(bench)

    assert [HAS in warning for warning in accepted.warnings] == [True]
    assert bench.order(accepted.command).status is OrderStatus.STORED


@pytest.mark.parametrize("named", [{"without_other_names": True}, {"sans": []}], ids=str)
def test_a_reissue_goes_on_if_it_is_told_to_or_lists_its_names(
    bench: Bench, old: Certificate, named: dict[str, Any]
) -> None:
    command = reissue(bench, old, **named)
    go_on(bench)

    assert bench.order(command).status is OrderStatus.STORED


@pytest.mark.parametrize(("kind", "data"), [("renew", {}), ("reissue", {"reason": "a new server"})])
def test_a_message_gets_the_same_refusal_at_once(
    bench: Bench, old: Certificate, kind: str, data: dict[str, Any]
) -> None:
    asked = asked_from_outside(bench, kind, {"certificate": old.id, **data})

    bench.run(asked.id)

    with bench.database.transaction() as db:
        failed = db.get_one(Command, asked.id)
    assert failed.status is CommandStatus.FAILED
    assert "also has IP:192.0.2.7" in (failed.error or "")
    assert "without_other_names" in (failed.error or "")


def test_a_dry_run_and_a_batch_say_it_too(bench: Bench, old: Certificate) -> None:
    (refused,) = judge_many(bench.database, [old])
    (warned,) = judge_many(bench.database, [old], RenewalChoices(without_other_names=True))

    assert [HAS in problem for problem in refused.problems] == [True]
    assert (warned.problems, [HAS in text for text in warned.warnings]) == ([], [True])


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "[2001:DB8::7]", " 192.0.2.7 "])
def test_an_ip_address_is_refused_with_the_reason_that_scm_documents_none(address: str) -> None:
    usual = {"common_name": "www.example.org", "organization": "1", "profile": "2", "term": 90}
    with pytest.raises(ValueError, match="but an IP address; SCM's API documents host names only"):
        OrderCommand.model_validate(usual | {"sans": [address]})
