"""One loop waits for commands and for batches: until the end, a timeout, or Postgres has been away too long."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from certline.cli.errors import DONE, STOPPED, TIMED_OUT
from certline.cli.waiting import watch
from certline.cli.waiting.watch import Watch
from certline.models import Database


class Shaky:
    """A database that does not answer the first few times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Open a transaction, or fail as SQLAlchemy does."""
        if self.failures:
            self.failures -= 1
            raise OperationalError("select", {}, Exception("away"))
        yield None


class Steps(Watch[int]):
    """Work that ends after a number of polls."""

    look_every = 0.0

    def __init__(self, steps: int, failures: int = 0) -> None:
        super().__init__(cast("Database", Shaky(failures)))
        self.left = steps
        self.said: list[str] = []
        self.tell = self.said.append

    @property
    def code(self) -> int | None:
        """The exit code after the last step."""
        return None if self.left else DONE

    def load(self, db: Session) -> int:  # noqa: ARG002  # the loop's signature
        """Take a step."""
        return self.left - 1

    def report(self, now: int) -> None:
        """Report the step."""
        self.left = now
        self.tell(f"{now} left")

    def line(self) -> str:
        """Return the steps that are left."""
        return str(self.left)

    def away(self) -> None:
        """Report the outage."""
        self.tell("away")

    def goes_on(self) -> str:
        """Return how to go on."""
        return "it goes on"


def test_a_wait_ends_with_the_work() -> None:
    steps = Steps(2)

    assert steps.wait(None) == DONE
    assert steps.said == ["1 left", "0 left"]


def test_without_work_nothing_is_polled() -> None:
    assert Steps(0, failures=1).wait(0) == DONE


def test_a_wait_that_takes_too_long_says_how_to_go_on() -> None:
    steps = Steps(9)

    assert steps.wait(0) == TIMED_OUT
    assert steps.said == ["8 left", "not ended after 0 s; it goes on"]


def test_work_that_ends_with_its_timeout_has_ended() -> None:
    assert Steps(1).wait(0) == DONE


def test_a_short_outage_is_waited_out() -> None:
    steps = Steps(1, failures=2)

    assert steps.wait(None) == DONE
    assert steps.said == ["away", "away", "0 left"]


def test_a_long_outage_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "AWAY_AFTER", -1.0)

    with pytest.raises(OperationalError):
        Steps(1, failures=1).wait(None)


def test_an_interrupted_wait_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(Steps):
        def load(self, db: Session) -> int:  # noqa: ARG002  # the loop's signature
            raise KeyboardInterrupt

    assert Interrupted(1).wait(None) == STOPPED
    assert capsys.readouterr().err == "\nstopped waiting; it goes on\n"
