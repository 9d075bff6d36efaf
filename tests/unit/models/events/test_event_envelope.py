"""Tests of published events: each type has a schema, and none contains a secret."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from certline.models.events.base import EventData, as_json
from certline.models.events.data import AutoRenewCompleted, RenewalRefusal
from certline.models.events.envelope import EVENT_DATA, problems_of_event, schema_of
from certline.models.events.license_data import LicenseReleased
from certline.models.events.outbox import caused_by, emit_event
from tests.support.documented_events import some
from tests.support.unsent_rows import UnsentRows
from tools.asyncapi.examples import EVENTS as EXAMPLES
from tools.asyncapi.examples import events

ROOT = Path(__file__).parents[4]
# The documented list of events; events not yet published would be listed separately.
CONTRACT = {
    *("order.placed", "order.pending", "order.issued", "order.held", "order.rejected"),
    *("order.cancelled", "order.review", "certificate.stored", "certificate.renewed"),
    *("certificate.reissued", "certificate.revoked", "certificate.deleted"),
    *("certificate.expiring", "license.exhausted", "license.released", "account.suspended"),
    *("sync.completed", "import.completed", "command.rejected", "command.failed"),
    *("auto_renew.completed", "poll.completed", "order.deleted", "license.expiring"),
    *("domain.validated", "domain.validation_failed", "domain.validation_waiting"),
    *("audit.head", "recovery.started", "recovery.ended", "domain.validation_expiring"),
}
NOT_YET: set[str] = set()


@pytest.fixture
def db() -> Session:
    """Return a session without a database, which keeps what is written."""
    return UnsentRows()


def emitted(db: Session) -> dict[str, Any]:
    """Return the body of the one emitted event."""
    assert isinstance(db, UnsentRows)
    [row] = db.rows
    body: dict[str, Any] = row["body"]
    return body


def test_every_type_of_the_contract_has_a_schema_but_for_those_that_nothing_tells_yet() -> None:
    assert set(EVENT_DATA) == CONTRACT - NOT_YET


def test_what_is_not_told_yet_is_told_nowhere_and_all_else_is() -> None:
    names = (
        *("data.py", "license_data.py", "domain_data.py", "import_data.py"),
        *("recovery_data.py", "envelope.py"),
    )
    definitions = {ROOT / "models" / "events" / name for name in names}
    code = "".join(
        path.read_text()
        for room in ("models", "workers", "producers")
        for path in (ROOT / room).rglob("*.py")
        if path not in definitions
    )
    used = set(
        re.findall(
            r"\b[A-Z][A-Za-z]+\b", re.sub(r"^(from|import) .*", "", code, flags=re.MULTILINE)
        )
    )

    assert {kind for kind, data in EVENT_DATA.items() if data.__name__ in used} == set(EVENT_DATA)


def subclasses(of: type[EventData]) -> set[type[EventData]]:
    """All classes below one, at any depth."""
    return {each for below in of.__subclasses__() for each in ({below} | subclasses(below))}


def test_each_type_of_the_contract_has_one_class_and_each_class_one_type() -> None:
    own = [each for each in subclasses(EventData) if "event_type" in vars(each)]

    assert sorted(each.event_type for each in own) == sorted(CONTRACT)
    assert set(own) == set(EVENT_DATA.values())
    assert all(data.event_type == kind for kind, data in EVENT_DATA.items())


@pytest.mark.parametrize("kind", EVENT_DATA)
def test_an_event_is_published_as_its_class_was_given_it(kind: str) -> None:
    example = EXAMPLES[kind]
    published = as_json(EVENT_DATA[kind].model_validate(example))

    assert published == example
    fields = EVENT_DATA[kind].model_fields
    assert list(published) == [name for name in fields if name in example]


@pytest.mark.parametrize("kind", EVENT_DATA)
def test_the_example_of_an_event_is_as_documented(kind: str) -> None:
    assert problems_of_event(events()[kind]) == []


@pytest.mark.parametrize("kind", EVENT_DATA)
def test_an_event_without_a_field_or_with_one_more_is_not(kind: str) -> None:
    event = events()[kind]
    name = next(iter(event["data"]))

    less = event | {"data": {key: value for key, value in event["data"].items() if key != name}}
    more = event | {"data": event["data"] | {"password": "hunter2"}}

    assert problems_of_event(less) == [f"data.{name}: is missing"]
    assert problems_of_event(more) == ["data.password: there is no such field"]


def test_an_event_of_another_type_version_or_source_is_not_as_documented() -> None:
    event = events()["order.placed"]

    assert problems_of_event(event | {"type": "order.lost"}) == [
        "type: there is no event 'order.lost'"
    ]
    assert problems_of_event(event | {"dataschema": schema_of("order.held")}) != []
    assert problems_of_event(event | {"source": "elsewhere"}) != []


def test_no_event_has_a_field_for_a_secret() -> None:
    for kind, data in EVENT_DATA.items():
        named = re.findall(r"passw|secret|private|csr|keystore|token", " ".join(data.model_fields))
        assert named == [], kind


def test_an_event_that_is_not_as_documented_goes_out_all_the_same(db: Session) -> None:
    # Raising would roll back the change that the event reports.
    data = LicenseReleased(orders="none")  # type: ignore[call-arg, arg-type]

    emit_event(db, data, subject=None, correlation_id=None)

    assert emitted(db)["data"] == {"orders": "none"}


def test_a_value_that_mypy_cannot_see_goes_out_as_it_was_given(db: Session) -> None:
    refusal = RenewalRefusal(certificate_id="01A", common_name=None, reason=None)  # type: ignore[arg-type]
    counts = dict.fromkeys(("due", "renewed", "skipped", "held", "refused", "failed"), 1)
    data = AutoRenewCompleted(
        run_id="01B",
        started_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        ended_at=datetime(2026, 3, 2, 9, 31),  # noqa: DTZ001  # the fault
        looked_at=-1,
        refusals=[refusal],
        **counts,
    )
    emit_event(db, data, subject="01B", correlation_id="01B")

    assert {problem.split(":")[0] for problem in problems_of_event(emitted(db))} == {
        "data.ended_at",
        "data.looked_at",
        "data.refusals.0.common_name",
    }
    published = emitted(db)["data"]
    assert published["looked_at"] == -1
    assert published["started_at"] == "2026-03-02T09:30:00+00:00"
    assert published["ended_at"] == "2026-03-02T09:31:00"
    assert published["refusals"] == [{"certificate_id": "01A", "common_name": None, "reason": None}]


def test_an_event_names_the_command_that_was_being_done(db: Session) -> None:
    with caused_by("b"):
        with caused_by("c"):
            pass
        emit_event(db, some("order.held"), subject="01J", correlation_id="a")
    event = emitted(db)

    assert (event["correlationid"], event["causationid"]) == ("a", "b")


def test_an_event_outside_of_any_command_names_no_cause(db: Session) -> None:
    with caused_by("b"):
        pass
    emit_event(db, some("order.held"), subject="01J", correlation_id="a")

    assert "causationid" not in emitted(db)
