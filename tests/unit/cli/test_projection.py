"""A document has the JSON keys in their order, and beside them what only users see."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from certline.cli.ui.output import _plain
from certline.models import OrderStatus
from certline.models.documents.projection import Document, account_name, for_users


class ShipDocument(Document):
    """A document of a made-up row."""

    id: str
    captain: str | None = account_name("captain_id")
    status: OrderStatus
    sailed_at: datetime | None
    cargo: dict[str, Any]
    berth: int = for_users()


class Ship:
    """A made-up row."""

    id = "S1"
    captain_id: int | None = 7
    status = OrderStatus.PENDING
    sailed_at = datetime(2026, 11, 25, 1, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    cargo = {"tea": [1, None, 2.5]}  # noqa: RUF012  # a row, not a class that shares it
    berth = 4
    secret = "hunter2"


def test_the_json_has_the_fields_in_their_order_and_times_in_utc() -> None:
    document = ShipDocument.of(Ship(), {7: "hafen"})

    assert json.dumps(document.as_dict()) == json.dumps(
        {
            "id": "S1",
            "captain": "hafen",
            "status": "pending",
            "sailed_at": "2026-11-24T23:30:00Z",
            "cargo": {"tea": [1, None, 2.5]},
        }
    )


def test_users_see_the_values_as_they_are() -> None:
    document = ShipDocument.of(Ship(), {7: "hafen"})

    assert document.berth == 4
    assert document.status is OrderStatus.PENDING
    assert document.sailed_at == datetime(2026, 11, 24, 23, 30, 0, 999_999, tzinfo=UTC)
    assert "hunter2" not in repr(document)


def test_a_row_without_an_account_has_no_account_name() -> None:
    ship = Ship()
    ship.captain_id = None

    assert ShipDocument.of(ship).captain is None


def test_nothing_but_a_document_becomes_json_unasked() -> None:
    assert json.dumps([ShipDocument.of(Ship(), {7: "see"})], default=_plain).startswith('[{"id"')
    with pytest.raises(TypeError, match="object is not a document"):
        json.dumps([object()], default=_plain)
