"""A line whose commands another system sends, and whose database can be replaced by a restored one."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import inf
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from certline.models import (
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    Recovery,
    Sender,
)
from certline.models.audit.identity import Identity
from certline.models.certificates.license import License
from certline.models.commands.command import accept
from certline.models.commands.envelope import IncomingCommand
from certline.models.commands.payloads import ReissueCommand, RenewCommand
from certline.models.restore.recovery import recovery_of
from certline.models.senders.authorisation import authorise
from certline.models.settings import settings
from certline.producers import recovery
from certline.producers.requests.certificates import request_successor
from certline.simulator.server import Simulator
from certline.workers.keys import generate, sign_request
from certline.workers.runtime.context import WorkerContext
from certline.workers.scm import Enrolment
from tests.integration.cli.conftest import Typist
from tests.integration.workers.conftest import Bench
from tests.servers import PostgresServer, until
from tests.support.factories import senders_of_everything

ENROLL = "POST /ssl/v1/enroll"
RENEW = "POST /ssl/v1/renewById/{sslId}"
REPLACE = "POST /ssl/v1/replace/{sslId}"
SETTLE = timedelta(0)
SECONDS_TO_RECOVER = 60
SUCCESSORS: dict[CommandType, type[RenewCommand] | type[ReissueCommand]] = {
    CommandType.RENEW: RenewCommand,
    CommandType.REISSUE: ReissueCommand,
}


class ErpLine(Bench):
    """A bench whose orders come from the system `erp`, each with an id that `erp` has chosen."""

    def __init__(self, database: Database, simulator: Simulator) -> None:
        super().__init__(database, simulator)
        self.settings(issue_after_ms=0)
        # The system may only renew and reissue what it has ordered itself.
        self.is_limited = False
        with database.transaction() as db:
            senders_of_everything(db)
            # Whose senders may do everything: the test is not about their rights.
            self.sender = db.scalars(select(Sender.name)).first()
            db.execute(update(License).values(capacity=10_000))
        assert self.sync().status is CommandStatus.DONE

    def send(self, kind: CommandType, payload: dict[str, Any], command_id: str) -> Command:
        """Record a command as the ingress does; the same id again is the same command."""
        with self.database.transaction() as db:
            return accept(
                db,
                kind,
                payload,
                requested_by=Identity("amqp:erp"),
                source="erp",
                sender=self.sender,
                command_id=command_id,
            )[0]

    def send_as_allowed(self, kind: CommandType, payload: dict[str, Any], command_id: str) -> None:
        """Record a command as the ingress does, once its sender's rights have been checked."""
        asked = IncomingCommand(command_id, kind.value, "erp", SUCCESSORS[kind](**payload))
        with self.database.transaction() as db:
            sender = db.scalars(select(Sender).where(Sender.name == self.sender)).one()
            sender.own_only = self.is_limited
            permit = authorise(db, sender, asked)
        self.send(kind, {**payload, **permit.pinned}, command_id)

    def work(self, times: int = 6) -> None:
        """Run everything that is open as far as it goes."""
        for _ in range(times):
            self.make_due()
            if not self.run_due():
                return

    def succeed(self, kind: CommandType, certificate: str, **more: Any) -> Command:
        """Request a renewal or reissue as a user does: its order is placed at once."""
        named = {"certificate": certificate, **more}
        wanted = SUCCESSORS[kind](**named)
        who = Identity("os:ida")
        return request_successor(self.database, self.line.vault, wanted, requested_by=who).command

    def place_at_scm(self, common_name: str) -> None:
        """Order a certificate at SCM past certline."""
        with self.database.transaction() as db:
            like = db.scalars(select(Order).where(Order.csr.is_not(None))).first()
        assert like is not None
        enrolment = Enrolment(
            org_id=like.organization_id,
            profile_id=like.profile_id,
            term=like.term or 0,
            csr=sign_request(generate("EC", "P-256"), common_name, ()),
            sans=(common_name,),
            comments="of another system",
            external_requesters=(),
            custom_fields=(),
        )
        self.line.scm(self.account()).enroll(enrolment, send_before=inf)

    def recover(self) -> Recovery:
        """Let producer and workers do what a recovery needs, until it has ended. Returns its row."""

        def ended() -> Recovery | None:
            recovery.go_on(self.database, SETTLE)
            with self.database.transaction() as db:
                row = recovery_of(db)
            if not row.in_progress:
                return row
            self.work(1)  # SCM may have asked for a pause, which passes in real time
            return None

        found = until(ended, SECONDS_TO_RECOVER)
        assert found is not None
        return found

    def lets_settle(self) -> None:
        """Let the settle time of unknown outcomes be over."""
        with self.database.transaction() as db:
            db.execute(update(Order).values(sent_at=Order.sent_at - timedelta(hours=1)))

    def moves_to(self, url: str) -> None:
        """Go on with the database at another address: what is in the present one is lost."""
        self.database.close()
        self.database = Database(url, pool_size=2)
        self.line = WorkerContext(self.database, self.line.vault, self.line.settings)

    def money_spent(self) -> tuple[int, int, int]:
        """Return how many orders, renewals and reissues SCM was asked for."""
        return self.calls(ENROLL), self.calls(RENEW), self.calls(REPLACE)

    def certificate_for(self, common_name: str) -> Certificate:
        """Return the newest certificate of that name."""
        with self.database.transaction() as db:
            query = select(Certificate).where(Certificate.common_name == common_name)
            found = db.scalars(query.order_by(Certificate.created_at.desc())).first()
        assert found is not None
        return found


def an_order_for(number: int) -> tuple[CommandType, dict[str, Any], str]:
    """Return the n-th order of `erp`, with its id."""
    payload = {
        "common_name": f"host{number}.nordhafen.example",
        "organization": "Nordhafen University",
        "profile": "OV Multi-Domain SSL",
        "term": 90,
        "key_algorithm": "EC",
        "key_size": "P-256",
    }
    return CommandType.ORDER, payload, str(uuid.uuid5(uuid.NAMESPACE_DNS, f"erp order {number}"))


def a_successor_of(
    kind: CommandType, certificate: Certificate, **more: Any
) -> tuple[CommandType, dict[str, Any], str]:
    """Return a renewal or reissue that `erp` requests, with its id."""
    command_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"erp {kind} {certificate.id}"))
    return kind, {"certificate": certificate.id, **more}, command_id


Sent = Sequence[tuple[CommandType, dict[str, Any], str]]


def send_all(line: ErpLine, commands: Sent) -> None:
    """Send commands, and work until nothing is left to do."""
    for kind, payload, command_id in commands:
        line.send(kind, payload, command_id)
    line.work()


@pytest.fixture
def line(database: Database, simulator: Simulator) -> Iterator[ErpLine]:
    """Yield a line whose database may be copied, which changes its number as a restore of a dump does."""
    line = ErpLine(database, simulator)
    yield line
    line.database.close()


@pytest.fixture
def copy_of(line: ErpLine, postgres: PostgresServer) -> Iterator[str]:
    """Yield the address of a copy of the line's database, as it is before the test goes on."""
    line.work()
    send_all(line, [an_order_for(0)])
    line.send(*an_order_for(1))
    first = line.send(*an_order_for(2))
    line.run(first.id)  # sent, and accepted by SCM
    _, payload, command_id = an_order_for(3)
    line.place(command_id=command_id, **payload)
    line.database.close()
    with postgres.database(line.database.url) as url:
        yield url


@pytest.fixture
def operator(
    line: ErpLine,
    copy_of: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Typist]:
    """Yield a user of the restored copy, who types commands; the line goes on where it was."""
    monkeypatch.setenv("CERTLINE_DATABASE_URL", copy_of)
    monkeypatch.setenv("CERTLINE_SECRET_KEY", line.secret_key)
    settings.cache_clear()
    copy = Database(copy_of, pool_size=1)
    yield Typist(copy, line.line.vault, capsys)
    copy.close()
    settings.cache_clear()
    structlog.reset_defaults()  # its logging would go on writing to this test's standard error
