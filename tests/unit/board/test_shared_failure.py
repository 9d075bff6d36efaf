"""Test of the shared snapshot while the database does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from certline.board import snapshot
from certline.board.snapshot import SharedSnapshot
from certline.models import Database


class SilentDatabase:
    """Database that never answers, and counts who asked."""

    def __init__(self) -> None:
        self.asked = 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Fail as a statement that was ended by its time limit."""
        self.asked += 1
        raise OperationalError("SELECT 1", None, TimeoutError("canceling statement"))
        yield  # it makes this a generator


def test_those_who_look_meanwhile_share_the_failure_and_ask_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = SilentDatabase()
    shared = SharedSnapshot(cast("Database", database), timedelta(minutes=15))

    for _ in range(5):
        with pytest.raises(OperationalError):
            shared.look()
    assert database.asked == 1

    monkeypatch.setattr(snapshot, "KEEP", -1.0)
    shared._failed_until = 0.0
    with pytest.raises(OperationalError):
        shared.look()
    assert database.asked == 2
