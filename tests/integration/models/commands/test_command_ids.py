"""Tests of command ids: a UUID is the same one in whatever spelling it arrives."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import OtherCommandError, accept
from certline.models.validation import BadCommandError

ID = "0190abcd-0000-7000-8000-00000000000a"
SPELLINGS = [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"]


def asked(db: Session, command_id: str, **payload: Any) -> tuple[Command, bool]:
    """Request a sync under a given id."""
    return accept(
        db,
        CommandType.SYNC,
        {"account": "main"} | payload,
        requested_by=Identity("os:ida"),
        source="cli",
        command_id=command_id,
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_id_in_another_spelling_is_the_same_id(database: Database, spelling: str) -> None:
    with database.transaction() as db:
        first, _ = asked(db, spelling)

    with database.transaction() as db:
        again, new = asked(db, ID)

    assert not new
    assert first.id == again.id == again.correlation_id == ID


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_does_not_hide_that_an_id_was_used_for_something_else(
    database: Database, spelling: str
) -> None:
    with database.transaction() as db:
        asked(db, ID)

    with pytest.raises(OtherCommandError, match="another payload"), database.transaction() as db:
        asked(db, spelling, account="other")


@pytest.mark.parametrize("text", ["seven", " ", f"{ID}0", f"{ID[:-1]}g", "0190\0"])
def test_what_is_no_uuid_is_refused_as_an_id(database: Database, text: str) -> None:
    with pytest.raises(BadCommandError, match="is not a UUID"), database.transaction() as db:
        asked(db, text)
