"""CLI tests of `certline doctor` on the role that the board logs in to Postgres as."""

from collections.abc import Iterator
from typing import Any

import pytest

from certline.models.settings import settings
from tests.integration.cli.conftest import Typist, a_typist
from tests.security.roles import PASSWORD, a_role_name, run, url_as

# What somebody may do to a role behind certline's back, what doctor says then, and whether `init` mends it.
Deed = tuple[str, str, bool]
FAULTS: dict[str, Deed] = {
    "cannot read a table": (
        "REVOKE SELECT (name) ON organization FROM {}",
        "cannot read what the pages show: organization.name",
        True,
    ),
    "cannot read a view": (
        "REVOKE SELECT ON public_webhook FROM {}",
        "cannot read what the pages show: public_webhook",
        True,
    ),
    "cannot use the schema": (
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM {}",
        "cannot read what the pages show: account.",
        True,
    ),
    "writes a table": ("GRANT DELETE ON notice TO {}", "can write notice", True),
    "writes a column": ("GRANT UPDATE (status) ON webhook TO {}", "can write webhook", True),
    "counts a sequence on": (
        "GRANT USAGE ON SEQUENCE account_id_seq TO {}",
        "can write account_id_seq",
        True,
    ),
    "reads a secret": (
        "GRANT SELECT (url) ON webhook TO {}",
        "can read what no page may show: webhook.url",
        True,
    ),
    "reads keys": (
        "GRANT SELECT ON private_key TO {}",
        "can read what no page may show: private_key.",
        True,
    ),
    "cannot log in": ("ALTER ROLE {} NOLOGIN", "cannot log in to this database", False),
    "is mighty": ("ALTER ROLE {} CREATEROLE", "can do more than read: it is a superuser", False),
    "may create": (
        "GRANT CREATE ON SCHEMA public TO {}",
        "can do more than read: it may create objects",
        False,
    ),
}


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    """Yield a user with a database and a secret key."""
    yield from a_typist(database_url, monkeypatch, capsys)


@pytest.fixture
def role(typist: Typist, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a role that `certline init --board-role` has made."""
    with a_role_name(database_url) as name:
        monkeypatch.setenv("CERTLINE_BOARD_PASSWORD", PASSWORD)
        settings.cache_clear()
        typist.types("init", "--board-role", name)
        monkeypatch.delenv("CERTLINE_BOARD_PASSWORD")
        settings.cache_clear()
        yield name


def finding(typist: Typist) -> dict[str, Any]:
    """Return what doctor says of the board's role. Other checks may fail."""
    document = typist.json("doctor", code=1)
    (found,) = [each for each in document["checks"] if each["name"] == "board's role"]
    return dict(found)


def test_a_role_that_reads_what_is_shown_is_right_and_known_by_its_rights(
    typist: Typist, role: str
) -> None:
    found = finding(typist)

    assert found["ok"]
    assert found["text"] == f"{role} can read what the pages show, and write nothing"


def test_without_such_a_role_it_says_how_to_make_one(typist: Typist) -> None:
    found = finding(typist)

    assert found["ok"]
    assert "certline init --board-role NAME" in found["text"]


def test_a_role_that_the_settings_name_and_postgres_does_not_have_is_a_fault(
    typist: Typist, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_role_name(database_url) as name:
        monkeypatch.setenv("CERTLINE_BOARD_ROLE", name)
        settings.cache_clear()

        found = finding(typist)

    assert not found["ok"]
    assert found["text"] == f"Postgres has no role {name}, which the board logs in as"
    assert found["advice"].startswith(f"certline init --board-role {name}")
    assert "CERTLINE_BOARD_PASSWORD" in found["advice"]


@pytest.mark.parametrize("deed", FAULTS.values(), ids=FAULTS)
def test_a_role_that_can_do_less_or_more_is_a_fault(
    typist: Typist, database_url: str, role: str, deed: Deed, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, said, is_mended = deed
    run(database_url, statement.format(role, role))
    # Without it a role that has lost the view would not be known any more.
    monkeypatch.setenv("CERTLINE_BOARD_ROLE", role)
    settings.cache_clear()

    found = finding(typist)

    assert not found["ok"]
    assert f"{role} {said}" in found["text"]
    if is_mended:
        assert found["advice"].startswith(f"certline init --board-role {role}")
        typist.types("init")
        assert finding(typist)["ok"]
    else:
        assert "administrator" in found["advice"]


def test_the_role_of_the_parts_may_ask_it_too(
    typist: Typist, database_url: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_role_name(database_url) as app:
        monkeypatch.setenv("CERTLINE_APP_PASSWORD", PASSWORD)
        settings.cache_clear()
        typist.types("init", "--app-role", app)
        monkeypatch.setenv("CERTLINE_DATABASE_URL", url_as(database_url, app))
        settings.cache_clear()

        found = finding(typist)

    assert found["ok"]
    assert found["text"].startswith(role)
