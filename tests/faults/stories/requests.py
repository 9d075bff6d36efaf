"""Stories of typed commands: the process that requests something dies, and the user types the command again."""

import json
import uuid
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet
from sqlalchemy import select

from certline.models import Account, CommandType
from certline.models.audit.identity import Identity
from certline.models.commands.dead_letter import keep
from certline.models.events.outbox import COMMANDS
from certline.models.sealing.key_pair import private_key, public_key, replace_pair
from certline.models.vault import Vault
from certline.producers.renewals.batches import request_batch
from certline.producers.renewals.verdicts import judge_many
from tests.faults.crashes.injection import Death
from tests.faults.harness.external_client import order_event
from tests.faults.harness.scenario import Stage
from tests.faults.stories.orders import DETAILS
from tests.support.sealed_rows import opened, seal_in


def an_order_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `order create` with a given command id, and type it again with the same id."""
    for point in points:
        words = (
            *("order", "create", "--common-name", stage.new_name(), "--term", "90"),
            *("--organization", "Nordhafen University", "--profile", "OV Multi-Domain SSL"),
            *("--key-algorithm", "EC", "--command-id", str(uuid.uuid4())),
        )
        type_twice(stage, point, *words)


def a_sync_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `sync`."""
    for point in points:
        type_twice(stage, point, "sync", "organizations")


def a_poll_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `order poll`."""
    stage.run(stage.place())
    for point in points:
        type_twice(stage, point, "order", "poll", "--all")


def a_retry_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `command retry` of a failed command."""
    for point in points:
        command = stage.place()
        stage.run(command)
        poll = stage.step_of(command, CommandType.POLL)
        with stage.failing("GET", DETAILS, "status", status=503):
            stage.age()
            stage.run(poll)
        type_twice(stage, point, "command", "retry", poll.id)


def a_renewal_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `certificate renew`; typed again, it yields the same renewal."""
    for point in points:
        type_twice(stage, point, "certificate", "renew", stage.store().id)


def a_batch_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `certificate renew` with a pace: the batch is stored completely or not at all."""
    for point in points:
        names = [stage.store().id for _ in range(2)]
        type_twice(stage, point, "certificate", "renew", *names, "--pace", "9/min")


def a_batch_is_paused(stage: Stage, points: Sequence[str]) -> None:
    """Kill `renewal pause`."""
    for point in points:
        type_twice(stage, point, "renewal", "pause", a_batch(stage))


def a_batch_is_resumed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `renewal resume`."""
    for point in points:
        batch = a_batch(stage)
        stage.type("renewal", "pause", batch)
        type_twice(stage, point, "renewal", "resume", batch, "--pace", "9/min")


def a_batch_is_cancelled(stage: Stage, points: Sequence[str]) -> None:
    """Kill `renewal cancel`."""
    for point in points:
        type_twice(stage, point, "renewal", "cancel", a_batch(stage))


def a_batch(stage: Stage) -> str:
    """Request two renewals, the second due in an hour. Returns the batch's id."""
    certificates = [stage.store() for _ in range(2)]
    batch = request_batch(
        stage.plant.database,
        judge_many(stage.plant.database, certificates),
        selection="a test",
        pace=1,
        requested_by=Identity("os:ida"),
    )
    return batch.id


def a_revocation_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `certificate revoke`."""
    for point in points:
        words = ("certificate", "revoke", stage.store().id, "--comments", "key was copied", "--yes")
        type_twice(stage, point, *words)


def a_letter_is_replayed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `dead-letter replay`."""
    for point in points:
        type_twice(stage, point, "dead-letter", "replay", a_letter(stage))


def a_letter_is_dropped(stage: Stage, points: Sequence[str]) -> None:
    """Kill `dead-letter drop`."""
    for point in points:
        type_twice(stage, point, "dead-letter", "drop", a_letter(stage), "--reason", "a test")
        stage.names.pop()  # no certificate comes of the dropped letter


def a_letter(stage: Stage) -> str:
    """Store a dead letter: a command whose account was unknown when it arrived. Returns its id."""
    event = order_event(stage.plant.wanted(stage.new_name()))
    body = json.dumps(event).encode()
    with stage.plant.database.transaction() as db:
        kept = keep(
            db,
            stage.plant.vault,
            body,
            source=COMMANDS,
            reason="its account was not known",
            properties={
                "exchange": COMMANDS,
                "routing_key": "order",
                "bytes": len(body),
                "user_id": "guest",
            },
            message_id=event["id"],
            command_id=event["id"],
            attempts=1,
        )
        return kept.id


def a_licence_is_set(stage: Stage, points: Sequence[str]) -> None:
    """Kill `license set`."""
    for point in points:
        type_twice(stage, point, "license", "set", "900")


def a_schedule_is_run(stage: Stage, points: Sequence[str]) -> None:
    """Kill `schedule run`."""
    for point in points:
        type_twice(stage, point, "schedule", "run", "sweep")


def keys_are_rotated(stage: Stage, points: Sequence[str]) -> None:
    """Kill `keys rotate`; the next run finishes the rotation, and the login at SCM is readable again.

    There is a new key pair for sealing, and the one before still opens.
    """
    older, present = Fernet.generate_key().decode(), stage.plant.environment["CERTLINE_SECRET_KEY"]
    for point in points:
        with stage.plant.database.transaction() as db:
            account = db.scalars(select(Account)).one()
            seal_in(db, Vault(older), account, "secret_sealed", b"secret")
            sealed_with = replace_pair(db, Vault(older), who=Identity("os:test")).id
        both = {"CERTLINE_SECRET_KEY": f"{present},{older}"}
        type_twice(stage, point, "keys", "rotate", environment=both)
        with stage.plant.database.transaction() as db:
            account = db.scalars(select(Account)).one()
            assert opened(stage.plant.vault, account, "secret_sealed") == b"secret"
            assert public_key(db, stage.plant.vault, who=Identity("os:test")).id != sealed_with
            assert private_key(db, stage.plant.vault, sealed_with) is not None


def type_twice(
    stage: Stage, point: str, *words: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command that dies at the point, and run it again."""
    died = stage.type(*words, dies=[Death(point)], environment=environment)
    assert died.met, f"{words} never came to {point}:\n{died.output}"
    stage.type(*words, environment=environment)
