"""Tests of the views of commands and webhooks: nothing secret is in them, and lists are read by indexes."""

from typing import Any

import pytest
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Database, Webhook
from certline.models.audit.identity import Identity
from certline.models.commands import payloads
from certline.models.commands.command import accept
from certline.models.listing import SORTINGS, paged
from certline.models.public.command import (
    PublicCommand,
    public_commands,
    public_deliveries,
    public_hook_runs,
)
from certline.models.public.webhook import PublicWebhook, public_webhooks

IDA = Identity("os:ida")
# Fields of payloads that no page may show.
SECRET = {"keystore_password_sealed"}


def a_command(db: Session, kind: CommandType, payload: dict[str, Any], **more: Any) -> Command:
    """Accept a command."""
    return accept(db, kind, payload, requested_by=IDA, source="cli", **more)[0]


def test_a_command_is_shown_with_all_of_its_payload_but_the_secret_fields(
    database: Database,
) -> None:
    fields = {
        name
        for kind in vars(payloads).values()
        if isinstance(kind, type) and issubclass(kind, payloads.Payload)
        for name in kind.model_fields
    }
    with database.transaction() as db:
        whole = {name: f"of {name}" for name in fields} | {"unheard_of": "hidden"}
        wanted = a_command(db, CommandType.ORDER, whole).id
    with database.transaction() as db:
        shown = db.get_one(PublicCommand, wanted)

    assert fields >= SECRET
    # A new field of a payload is either added to the view, by a migration, or is secret.
    assert set(shown.payload) == fields - SECRET
    assert shown.payload["common_name"] == "of common_name"
    assert shown.requester == IDA


def test_the_output_of_a_hooks_program_is_not_shown(database: Database) -> None:
    with database.transaction() as db:
        run = a_command(db, CommandType.HOOK, {"name": "reload", "certificate": "C"}, subject="C")
        run.result = {"output": "the password is 4711", "exit_code": 3}
        own_id = run.id
    with database.transaction() as db:
        shown = db.get_one(PublicCommand, own_id)

    assert shown.result == {"exit_code": 3}
    assert shown.hook == "reload"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://hooks.example", "https://hooks.example"),
        ("https://hooks.example/", "https://hooks.example"),
        ("https://hooks.example:8443/services/T00/B00/XXXX", "https://hooks.example:8443/…"),
        ("https://hooks.example?token=4711", "https://hooks.example/…"),
        ("https://anna:geheim@hooks.example/x", "https://hooks.example/…"),
        ("https://anna:ge@heim@hooks.example/x", "https://hooks.example/…"),
        ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444/…"),
        ("no url at all", "…"),
    ],
)
def test_of_a_webhooks_url_only_scheme_and_host_are_shown(
    database: Database, url: str, place: str
) -> None:
    with database.transaction() as db:
        db.add(Webhook(url=url, events=["*"], secret_sealed=b"sealed", created_by="os:ida"))
    with database.transaction() as db:
        [shown] = public_webhooks(db)

    assert shown.url == place
    assert "secret_sealed" not in PublicWebhook.__table__.columns


def test_commands_are_filtered_as_the_command_line_filters_them(database: Database) -> None:
    with database.transaction() as db:
        sync = a_command(db, CommandType.SYNC, {}).id
        run = a_command(db, CommandType.HOOK, {"name": "reload"}, subject="C").id
        other = a_command(db, CommandType.HOOK, {"name": "restart"}, subject="C")
        other.error, other.attempts = "exit code 1", 3
        other.status = CommandStatus.FAILED
        event = {"id": "E", "type": "certificate.stored"}
        sent = a_command(db, CommandType.WEBHOOK, {"event": event}, subject="W").id
        failed = other.id

    def ids(query: Select[PublicCommand]) -> set[str]:
        with database.transaction() as db:
            return {row.id for row in db.scalars(query)}

    assert ids(public_commands()) == {sync, run, failed}
    assert ids(public_commands(types=["webhook"])) == {sent}
    assert ids(public_commands(statuses=["failed"])) == {failed}
    assert ids(public_commands(subject="C")) == {run, failed}
    assert ids(public_commands(requested_by="os:tim")) == set()
    assert ids(public_hook_runs()) == {run, failed}
    assert ids(public_hook_runs(hook="reload")) == {run}
    assert ids(public_hook_runs(failed=True)) == {failed}
    assert ids(public_deliveries()) == ids(public_deliveries(webhook="W")) == {sent}
    assert ids(public_deliveries(webhook="V")) == set()
    with database.transaction() as db:
        [delivery] = db.scalars(public_deliveries())
    assert delivery.payload["event"]["id"] == "E"


MANY = """
INSERT INTO command (id, type, subject, payload, payload_sha256, requested_by, source, correlation_id, status,
    attempts, restarts, not_before, created_at, touched_at, error)
SELECT gen_random_uuid(), (ARRAY['hook', 'webhook', 'order'])[1 + n % 3], 'subject ' || n % 50,
    jsonb_build_object('name', 'hook ' || n % 300, 'event', jsonb_build_object('id', n)), '', 'ida', 'cli', '',
    CASE WHEN n % 3000 = 6 THEN 'failed' ELSE 'done' END, 1, 0, now(), now() - n * interval '1 minute', now(),
    CASE WHEN n % 3000 = 6 THEN 'why' END
FROM generate_series(1, 60000) AS n
"""


def test_pages_of_commands_are_read_by_indexes(database: Database) -> None:
    questions = [
        public_commands(),
        public_commands(statuses=["failed"]),
        public_commands(types=["order"]),
        public_commands(subject="subject 7"),
        public_hook_runs(),
        public_hook_runs(hook="hook 3"),
        public_hook_runs(failed=True),
        public_deliveries(),
        public_deliveries(webhook="subject 7"),
    ]
    with database.transaction() as db:
        db.execute(text(MANY))
        db.execute(text("ANALYZE command"))
        plans = [plan(db, paged(each, NEWEST, after=None, limit=100)) for each in questions]
        first = db.scalars(paged(questions[5], NEWEST, after=None, limit=10)).all()
        second = db.scalars(paged(questions[5], NEWEST, after=first[-1], limit=10)).all()

    assert {row.hook for row in [*first, *second]} == {"hook 3"}
    assert len({row.id for row in [*first, *second]}) == 20
    assert [told for told in plans if "Seq Scan" in told] == []


NEWEST = SORTINGS["command"]["created"]


def plan(db: Session, asked: Select[Any]) -> str:
    """Return Postgres' query plan."""
    compiled = asked.compile(db.get_bind(), compile_kwargs={"render_postcompile": True})
    told = db.connection().exec_driver_sql(f"EXPLAIN {compiled}", compiled.params)
    return "\n".join(told.scalars())


def test_the_views_know_every_command(database: Database) -> None:
    with database.transaction() as db:
        ids = {a_command(db, CommandType.SYNC, {}).id for _ in range(3)}
        assert set(db.scalars(select(PublicCommand.id))) == ids
