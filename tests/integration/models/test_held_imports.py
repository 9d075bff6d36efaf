"""Tests of the orders of an import that a licence holds: also those that an earlier import recorded."""

from typing import Any

import pytest

from certline.models import CommandType, Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.imports.run import new_run, still_held
from tests.support.factories import an_account, an_order


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({}, 2),
        ({"order": [701]}, 1),
        ({"order": [703]}, 0),
        ({"common_name": "shop.example"}, 1),
        ({"organization": "nordhafen ag"}, 2),
        ({"organization": "9102"}, 2),
        ({"organization": "9"}, 0),
        ({"profile": "OV Single"}, 2),
        ({"status": "Issued"}, 2),
        ({"status": "Revoked"}, 0),
    ],
)
def test_orders_that_were_asked_for_and_are_held_count(
    database: Database, asked: dict[str, Any], held: int
) -> None:
    with database.transaction() as db:
        ours, other = an_account(db, name="hafen"), an_account(db, name="see")
        for account, number, name, status in (
            (ours, 701, "shop.example", "held"),
            (ours, 702, "mail.example", "held"),
            (ours, 703, "www.example", "stored"),
            (other, 704, "see.example", "held"),
        ):
            an_order(
                db, account, scm_id=number, common_name=name, status=status, scm_status="Issued"
            )
        command, _ = accept(
            db,
            CommandType.IMPORT,
            {"account": "hafen", **asked},
            requested_by=Identity("os:ida"),
            source="cli",
        )
        assert still_held(db, command) == 0  # it has not begun
        db.add(new_run(command.id, "hafen", first=False))
        db.flush()

        assert still_held(db, command) == held
