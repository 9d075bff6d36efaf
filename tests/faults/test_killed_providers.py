"""Workers that are killed inside a provider, while it changes a record: by dynamic update, program or dns-lexicon.

A name server sees the change arrive, and kills the worker before it makes the change or after it has made it. The
record is one of several at its name, and the others are somebody else's.
"""

import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from certline.models import Command, CommandType, ProviderKind
from certline.models.audit.identity import Identity
from certline.models.states import ValidationOutcome, ValidationStage
from certline.producers.domains.providers import add_provider
from certline.workers.scm import DcvMethod
from tests.faults.crashes.injection import Death
from tests.faults.harness.dns_gate import DnsGate
from tests.faults.harness.scenario import Stage
from tests.faults.stories.validations import row_of, submissions
from tests.servers import until
from tests.servers.dns import DnsServer
from tests.support.forkserver import Part
from tests.support.power_dns import SECRET, PowerDns, RecordSet

pytestmark = pytest.mark.slow

WHO = Identity("os:test")
DOMAIN = "nordhafen.example"
THEIRS = ["another proof", "v=spf1 -all"]
MOMENTS = ("publish before", "publish after", "withdraw before", "withdraw after")
SECONDS = 60
# What an operator may have written: it adds or removes one record by dynamic update.
PROGRAM = """
import os, sys
import dns.query, dns.tsigkeyring, dns.update

host, port, key, secret = sys.argv[1:]
env = os.environ
change = dns.update.UpdateMessage(
    env["CERTLINE_DNS_ZONE"], keyring=dns.tsigkeyring.from_text({key: ("hmac-sha256", secret)})
)
name = dns.name.from_text(env["CERTLINE_DNS_NAME"])
kind, value = env["CERTLINE_DNS_TYPE"], env["CERTLINE_DNS_VALUE"]
if env["CERTLINE_DNS_ACTION"] == "add":
    change.add(name, 60, kind, value)
else:
    change.delete(name, kind, value)
sys.exit(dns.query.tcp(change, host, 10, int(port)).rcode() != 0)
"""


class Assassin:
    """Kills a worker when its moment comes, once. `struck` is set then."""

    def __init__(self) -> None:
        self.struck = threading.Event()
        self._lock = threading.Lock()
        self._moment = ""
        self._worker: Part | None = None

    def arm(self, moment: str, worker: Part) -> None:
        """Choose the moment and the worker."""
        self.struck.clear()
        self._moment, self._worker = moment, worker

    def meet(self, moment: str) -> bool:
        """Kill the worker if this is the moment. Returns True if it was."""
        with self._lock:
            if moment != self._moment or self._worker is None:
                return False
            self._worker.kill()
            self._worker = None
        self.struck.set()
        return True


Setting = tuple[ProviderKind, dict[str, Any], dict[str, str]]


@contextmanager
def by_update(dns: DnsServer, assassin: Assassin, _: Path, __: str) -> Iterator[Setting]:
    """Yield the settings of a provider that changes the zone by dynamic update."""
    with DnsGate(dns, assassin.meet) as gate:
        credentials = {"name": dns.tsig_name, "secret": dns.tsig_secret}
        yield ProviderKind.RFC2136, {"server": gate.server}, credentials


@contextmanager
def by_program(dns: DnsServer, assassin: Assassin, folder: Path, _: str) -> Iterator[Setting]:
    """Yield the settings of a provider that runs a program."""
    program = folder / "change.py"
    program.write_text(PROGRAM)
    with DnsGate(dns, assassin.meet) as gate:
        words = [sys.executable, program, "127.0.0.1", gate.port, dns.tsig_name, dns.tsig_secret]
        yield ProviderKind.COMMAND, {"command": shlex.join(map(str, words))}, {}


@contextmanager
def by_lexicon(dns: DnsServer, assassin: Assassin, _: Path, name: str) -> Iterator[Setting]:
    """Yield the settings of a provider of dns-lexicon, whose server hands its records on to the name server."""
    server = PowerDns()

    def around(
        where: RecordSet, before: list[str], wanted: list[str], change: Callable[[], None]
    ) -> bool:
        deed = "publish" if len(wanted) > len(before) else "withdraw"
        if assassin.meet(f"{deed} before"):
            return False
        change()
        for value in before:
            if value not in wanted:
                dns.remove(*where, value)
        if new := [value for value in wanted if value not in before]:
            dns.add(*where, *new)
        return not assassin.meet(f"{deed} after")

    server.around = around
    server.records[f"{name}.", "TXT"] = [f'"{text}"' for text in THEIRS]
    try:
        settings = {"provider": "powerdns", "options": {"pdns_server": server.url}}
        yield ProviderKind.LEXICON, settings, {"auth_token": SECRET}
    finally:
        server.close()


@pytest.mark.parametrize("kind", [by_update, by_program, by_lexicon])
def test_a_worker_that_dies_within_a_change_leaves_nothing_and_takes_nothing_of_others(
    stage: Stage, dns_server: DnsServer, tmp_path: Path, kind: Callable[..., Any]
) -> None:
    assassin = Assassin()
    name = stage.scm().start_validation(DOMAIN, DcvMethod.CNAME).host.rstrip(".")
    dns_server.add(name, "TXT", *THEIRS)
    a_ca_that_looks(stage, dns_server)
    with kind(dns_server, assassin, tmp_path, name) as (provider, settings, credentials):
        hosts = [f"{host}:{dns_server.port}" for host in (dns_server.host, dns_server.secondary)]
        resolvers = [f"{dns_server.resolver}:{dns_server.port}"]
        add_provider(
            stage.plant.database,
            stage.plant.vault,
            "zone",
            provider,
            [DOMAIN],
            settings={**settings, "resolvers": resolvers, "nameservers": hosts},
            credentials=credentials,
            who=WHO,
        )
        for number, moment in enumerate(MOMENTS, 1):
            command = a_validation_that_is_killed(stage, assassin, moment)
            until(partial(stage.is_done, command), SECONDS, every=0.05)

            row = row_of(stage, command)
            assert (row.stage, row.outcome) == (
                ValidationStage.ENDED,
                ValidationOutcome.VALIDATED,
            ), moment
            assert row.said is None, moment
            assert dns_server.read(name, "TXT") == THEIRS, moment
            assert submissions(stage) == number, moment


def a_validation_that_is_killed(stage: Stage, assassin: Assassin, moment: str) -> Command:
    """Request a validation, and run a worker until it is killed. Returns the command."""
    command = stage.accept(CommandType.VALIDATE, {"domain": DOMAIN, "method": "txt"})
    # It need not be healthy at the end, as one without a death.
    worker = stage.start("worker", "--threads", "1", dies=[Death("none")])
    assassin.arm(moment, worker)

    def struck() -> bool:
        stage.hasten()
        return assassin.struck.is_set()

    until(struck, SECONDS, every=0.2)
    stage.age()
    return command


def a_ca_that_looks(stage: Stage, dns: DnsServer) -> None:
    """Let the simulator's CA look at the name servers, again and again."""
    switches = {"dcv_checks": True, "dcv_resolver": f"{dns.resolver}:{dns.port}"}
    stage.simulate("POST", "settings", switches | {"dcv_after_ms": 0, "dcv_again_ms": 50})
