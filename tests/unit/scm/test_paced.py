"""Tests that every call asks its `Pacing` first, and reports how it ended."""

import pytest

from certline.workers.scm import (
    Enrolment,
    Garbled,
    Login,
    OutcomeUnknown,
    ScmClient,
    ScmError,
    TokenLogin,
    TooSoon,
    Unavailable,
)
from tests.unit.scm.odd_server import RESET, OddServer, as_json, http


class Notebook:
    """A Pacing that records calls, and lets them through until it is closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.notes: list[tuple[str, str]] = []
        self.statuses: list[int | None] = []

    def before(self, operation: str) -> None:
        """Let the call pass, unless closed."""
        if self.closed:
            raise TooSoon(operation, "the notebook is closed", retry_after=7)
        self.notes.append(("before", operation))

    def after(self, operation: str, error: ScmError | None, status: int | None) -> None:
        """Record how the call ended."""
        self.statuses.append(status)
        self.notes.append(("after", type(error).__name__ if error else operation))


def a_client(server: OddServer, notebook: Notebook) -> ScmClient:
    login = Login(server.url, "c", "l", "secret")
    return ScmClient(login, read_timeout=2, pacing=notebook)


def test_each_page_of_a_list_is_a_call() -> None:
    notebook = Notebook()
    first = [{"id": number, "name": f"d{number}.example"} for number in range(1, 4)]
    with OddServer([as_json("200 OK", first), as_json("200 OK", first[-1:])]) as server:
        a_client(server, notebook).domains()

    assert notebook.notes == [("before", "domains"), ("after", "domains")] * 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http("503 Service Unavailable"), Unavailable),
        (RESET, OutcomeUnknown),
        (http("200 OK", b"<html>Maintenance</html>"), Garbled),
    ],
)
def test_it_is_told_each_way_that_a_call_can_fail(
    answer: bytes, error: type[ScmError], order: Enrolment
) -> None:
    notebook = Notebook()
    with OddServer([answer]) as server, pytest.raises(error):
        a_client(server, notebook).enroll(order)

    assert notebook.notes == [("before", "enroll"), ("after", error.__name__)]


def test_where_it_refuses_nothing_is_sent_and_nothing_is_told(order: Enrolment) -> None:
    notebook = Notebook(closed=True)
    with OddServer([http("200 OK")]) as server:
        with pytest.raises(TooSoon) as refusal:
            a_client(server, notebook).enroll(order)
        assert server.seen == []

    assert refusal.value.retry_after == 7
    assert notebook.notes == []


def test_no_token_is_asked_for_where_it_refuses() -> None:
    with OddServer([http("200 OK")]) as auth:
        login = TokenLogin("http://scm.invalid", "id", "secret", auth.url)
        with pytest.raises(TooSoon):
            ScmClient(login, pacing=Notebook(closed=True)).organizations()
        assert auth.seen == []
