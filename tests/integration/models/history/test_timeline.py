"""Tests of the timeline of orders and certificates: who did what, why, and how long after the entry before."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy.orm import Session

from certline.models import (
    AuditEntry,
    AutoRenewDecision,
    AutoRenewRun,
    Certificate,
    CommandType,
    Database,
    Hook,
    Order,
    RenewalBatch,
    RenewalMember,
)
from certline.models.audit.identity import AUTO_RENEW, Identity
from certline.models.audit.log import record
from certline.models.certificates.deploy_hook import run_hook
from certline.models.commands.command import accept
from certline.models.history.chain import chain_of
from certline.models.history.deployment import deployments_of
from certline.models.history.line import line_of
from certline.models.history.timeline import MOST, timeline_of_certificate, timeline_of_order
from certline.models.states import CertificateStatus, Decision
from tests.support.factories import NOON, a_certificate, an_order

IDA = Identity("os:ida")


def renewed(db: Session) -> tuple[Certificate, Order, Certificate]:
    """Store a certificate that auto-renewal has renewed; returns it, the order and its successor."""
    old = a_certificate(db, status=CertificateStatus.SUPERSEDED)
    command, _ = accept(db, CommandType.RENEW, {}, requested_by=AUTO_RENEW, source="producer")
    run = AutoRenewRun(requested_by="certline:schedule", ended_at=NOON)
    db.add(run)
    db.flush()
    db.add(
        AutoRenewDecision(
            run_id=run.id,
            certificate_id=old.id,
            common_name=old.common_name,
            not_after=datetime(2026, 12, 24, tzinfo=UTC),
            planned=date(2026, 11, 24),
            decision=Decision.RENEWED,
            selected_by="os:anna",
            command_id=command.id,
        )
    )
    record(db, "auto_renew.renewed", old.id, who=AUTO_RENEW, command_id=command.id, run=run.id)
    order = an_order(
        db,
        db.get_one(Order, old.order_id).account,
        kind="renewal",
        status="stored",
        predecessor_id=old.id,
        line_id=old.line_id,
        command_id=command.id,
        requested_by=str(AUTO_RENEW),
    )
    record(db, "order.placed", order.id, who=AUTO_RENEW, command_id=command.id)
    new = a_certificate(db, order, supersedes_id=old.id)
    order.certificate_id = new.id
    record(db, "certificate.exported", new.id, who=IDA, why="asked for")
    return old, order, new


def test_a_renewal_says_who_decided_on_it_and_why(database: Database) -> None:
    with database.transaction() as db:
        _, order, new = renewed(db)

        timeline = timeline_of_certificate(db, new)

        told = [(each.what, str(each.who), each.why) for each in timeline.entries]
        assert told == [
            (
                "auto_renew.renewed",
                "certline:auto-renew",
                "the certificate ends on 2026-12-24, its renewal was planned for 2026-11-24; selected by os:anna",
            ),
            ("order.placed", "certline:auto-renew", None),
            ("certificate.exported", "os:ida", "asked for"),
        ]
        assert [each.is_order for each in timeline.entries] == [False, True, False]
        assert timeline.whole
        of_order = timeline_of_order(db, order)
        assert [each.what for each in of_order.entries] == [each[0] for each in told]


def test_the_timeline_of_an_order_leaves_out_what_else_happened_to_its_predecessor(
    database: Database,
) -> None:
    with database.transaction() as db:
        old, order, _ = renewed(db)
        record(db, "certificate.password_read", old.id, who=IDA)

        whats = [each.what for each in timeline_of_order(db, order).entries]

        assert "certificate.password_read" not in whats


def test_each_entry_says_how_long_after_the_one_before_it_came(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db)
        for minutes in (0, 2, 5):
            at = NOON + timedelta(minutes=minutes)
            db.add(AuditEntry(type="order.pending", subject=order.id, who="certline:worker", at=at))
            db.flush()

        entries = timeline_of_order(db, order).entries

        assert [each.since for each in entries] == [
            None,
            timedelta(minutes=2),
            timedelta(minutes=3),
        ]


def test_a_batch_is_the_reason_of_its_orders(database: Database) -> None:
    with database.transaction() as db:
        old = a_certificate(db)
        command, _ = accept(db, CommandType.RENEW, {}, requested_by=IDA, source="cli")
        batch = RenewalBatch(
            selection="ends within 30 days", requested_by="os:ida", reuse_key=False
        )
        db.add(batch)
        db.flush()
        db.add(
            RenewalMember(
                batch_id=batch.id,
                position=0,
                certificate_id=old.id,
                line_id=old.line_id,
                common_name=old.common_name,
                status="released",
                command_id=command.id,
            )
        )
        order = an_order(db, predecessor_id=old.id, kind="renewal", command_id=command.id)
        record(db, "order.placed", order.id, who=IDA, command_id=command.id)

        (placed,) = timeline_of_order(db, order).entries

        assert placed.why == f"batch {batch.id}: ends within 30 days"


def test_a_long_timeline_has_the_newest_entries_and_says_that_there_are_older_ones(
    database: Database,
) -> None:
    with database.transaction() as db:
        order = an_order(db)
        for number in range(MOST + 5):
            record(db, "order.polled", order.id, who=IDA, why=str(number))

        timeline = timeline_of_order(db, order)

        assert [each.why for each in timeline.entries] == [str(n) for n in range(5, MOST + 5)]
        assert not timeline.whole


def test_a_line_has_its_versions_and_orders_the_oldest_first(database: Database) -> None:
    with database.transaction() as db:
        old, order, new = renewed(db)
        going = an_order(db, order.account, line_id=old.line_id, predecessor_id=new.id)

        members = line_of(db, old.line_id)

        assert [each.certificate_id for each in members] == [old.id, new.id, None]
        assert [each.order_id for each in members][1:] == [order.id, going.id]
        assert line_of(db, None) == []


def test_a_deployment_says_where_a_hook_puts_the_files(database: Database) -> None:
    with database.transaction() as db:
        certificate = a_certificate(db)
        hook = Hook(name="nginx", events=["stored"], directory="/etc/tls", created_by="ida")
        db.add(hook)
        db.flush()
        run = run_hook(db, hook, certificate, requested_by=IDA)
        run.result = {"outcome": "installed", "output": "a secret"}
        db.flush()

        (found,) = deployments_of(db, certificate.id)

        assert (found.hook, found.directory, found.outcome) == ("nginx", "/etc/tls", "installed")


def test_an_issuer_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert chain_of(["-----BEGIN CERTIFICATE-----"]) == [None]
