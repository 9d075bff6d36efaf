"""Tests of sessions: how they end."""

import pytest

from certline.board.access import session_store
from certline.board.access.session_store import IDLE, WHOLE, SessionStore

HASHES = {"anna": "$argon2id$a", "ben": "$argon2id$b"}


class SessionClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_session_is_that_of_its_user() -> None:
    store = SessionStore()
    token = store.open("anna", HASHES["anna"])

    assert store.user_of(token, HASHES.get, uses=True) == "anna"
    assert store.user_of("x" * 43, HASHES.get, uses=True) is None


def test_a_session_ends_when_nobody_looks() -> None:
    clock = SessionClock()
    store = SessionStore(clock=clock)
    token = store.open("anna", HASHES["anna"])
    clock.now += IDLE + 1

    assert store.user_of(token, HASHES.get, uses=True) is None


def test_live_numbers_do_not_keep_a_session_open() -> None:
    clock = SessionClock()
    store = SessionStore(clock=clock)
    token = store.open("anna", HASHES["anna"])
    for _ in range(10):
        clock.now += IDLE / 10 + 1
        store.user_of(token, HASHES.get, uses=False)

    assert store.user_of(token, HASHES.get, uses=True) is None


def test_a_session_ends_after_half_a_day_even_if_it_is_used() -> None:
    clock = SessionClock()
    store = SessionStore(clock=clock)
    token = store.open("anna", HASHES["anna"])
    while clock.now < 1_000 + WHOLE:
        assert store.user_of(token, HASHES.get, uses=True) == "anna"
        clock.now += IDLE - 1

    clock.now = 1_001 + WHOLE
    assert store.user_of(token, HASHES.get, uses=True) is None


def test_another_password_and_a_removed_user_end_the_session() -> None:
    store = SessionStore()
    first, second = store.open("anna", HASHES["anna"]), store.open("ben", HASHES["ben"])

    assert store.user_of(first, {"anna": "$argon2id$other"}.get, uses=True) is None
    assert store.user_of(second, {"anna": "$argon2id$a"}.get, uses=True) is None
    assert len(store) == 0


def test_a_log_out_ends_the_session() -> None:
    store = SessionStore()
    token = store.open("anna", HASHES["anna"])
    store.close(token)

    assert store.user_of(token, HASHES.get, uses=True) is None


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_store, "MOST", 3)
    store = SessionStore()
    tokens = [store.open("anna", HASHES["anna"]) for _ in range(5)]

    assert len(store) == 3
    assert store.user_of(tokens[0], HASHES.get, uses=True) is None
    assert store.user_of(tokens[4], HASHES.get, uses=True) == "anna"
