"""CLI tests of linking: the first sync begins with the account, and a customer is linked once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Account, AccountStatus, Command, CommandType, Outbox
from certline.models.certificates.license import License
from certline.models.database.session import clock
from certline.simulator.server import Simulator
from tests.integration.cli.conftest import Typist


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """Return a file with the simulator's password."""
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


def words(name: str, url: str, password: Path, *more: str, customer: str = "demo") -> list[str]:
    options = [f"--url={url}", f"--customer-uri={customer}", "--login=admin", *more]
    return ["account", "add", name, *options, f"--password-file={password}"]


def syncs(typist: Typist) -> list[str]:
    with typist.database.transaction() as db:
        return list(db.scalars(select(Command.id).where(Command.type == CommandType.SYNC)))


def test_an_account_that_is_added_is_synced_at_once(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    added = typist.json(*words("hafen", simulator.url, password))

    assert syncs(typist) == [added["sync_command"]]
    with typist.database.transaction() as db:
        waking = db.scalars(select(Outbox).where(Outbox.routing_key == "certline.bulk")).one()
    assert waking.body["kwargs"] == {"command_id": added["sync_command"]}
    # Verified again while that sync is open: no second one.
    assert typist.json("account", "verify", "hafen")["sync_command"] is None
    assert len(syncs(typist)) == 1


def test_an_account_that_was_not_tried_is_synced_once_it_is_verified(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    added = typist.json(*words("hafen", simulator.url, password, "--no-verify"))
    assert added["sync_command"] is None
    with typist.database.transaction() as db:  # as when the login had been refused meanwhile
        account = db.scalars(select(Account)).one()
        account.status, account.status_reason = AccountStatus.SUSPENDED, "refused"

    verified = typist.json("account", "verify", "hafen")

    assert syncs(typist) == [verified["sync_command"]]


def test_what_the_login_may_do_at_scm_is_stored_with_the_account(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    """Pages show it without asking SCM, and without the secret that asking needs."""

    def stored() -> dict[str, Any] | None:
        with typist.database.transaction() as db:
            return db.scalars(select(Account)).one().examined

    typist.json(*words("hafen", simulator.url, password, "--no-verify"))
    untried = stored()
    verified = typist.json("account", "verify", "hafen")
    found = stored()

    assert untried is None
    assert found is not None
    assert {name: found[name] for name in ("roles", "missing", "unknown")} == {
        name: verified[name] for name in ("roles", "missing", "unknown")
    }
    assert "sslRequest" in found["privileges"]


@pytest.mark.parametrize("customer", ["demo", "DEMO"])
@pytest.mark.parametrize("path", ["/api", "/api/", ""])
def test_a_second_account_of_one_customer_is_refused_with_the_name_of_the_first(
    typist: Typist, simulator: Simulator, password: Path, customer: str, path: str
) -> None:
    typist.json(*words("hafen", simulator.url, password))
    other = simulator.url.removesuffix("/api") + path

    refused = typist.json(*words("twin", other, password, customer=customer), code=1)

    assert "'hafen'" in refused["error"]["message"]
    assert [each["name"] for each in typist.json("account", "list")] == ["hafen"]
    typist.json(*words("twin", other, password, "--no-verify", "--force", customer=customer))
    assert [each["name"] for each in typist.json("account", "list")] == ["hafen", "twin"]


def test_another_customer_of_the_same_scm_is_added(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    typist.json(*words("hafen", simulator.url, password))

    typist.json(*words("other", simulator.url, password, "--no-verify", customer="other"))

    assert len(typist.json("account", "list")) == 2


def test_an_account_that_was_removed_is_to_be_added_under_its_own_name(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    typist.json(*words("hafen", simulator.url, password))
    with typist.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        account.status, account.secret_sealed = AccountStatus.REMOVED, None

    refused = typist.json(*words("new", simulator.url, password), code=1)

    assert "add it again as 'hafen'" in refused["error"]["message"]
    typist.json(*words("hafen", simulator.url, password))


def test_the_licence_is_given_an_end_of_which_it_is_warned(typist: Typist) -> None:
    with typist.database.transaction() as db:
        day = clock(db).astimezone(UTC).date() + timedelta(days=9)

    use = typist.json("license", "set", "10", "--until", day.isoformat())

    assert (use["valid_until"], use["days_left"]) == (day.isoformat(), 10)
    assert (use["capacity"], use["used"], use["held"], use["available"]) == (10, 0, 0, 10)
    assert "ends in 10 days" in typist.types("license", "show") + typist.err
    assert f"ends on {day}" in typist.types("doctor", code=1)
    with typist.database.transaction() as db:
        db.get_one(License, 1).valid_until = datetime.now(UTC).date() - timedelta(days=2)
    assert "it has ended" in typist.types("license", "show")
    assert "--until DATE" in typist.types("doctor", code=1)
    assert typist.json("license", "set", "10", "--until", "never")["valid_until"] is None
    typist.types("license", "set", "10", "--until", "soon", code=2)
