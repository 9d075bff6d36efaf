"""CLI tests of accounts: errors of a login, and adding a removed account again."""

from pathlib import Path
from typing import Any

import pytest
import requests

from certline.models.accounts.account import account_named
from certline.simulator.server import Simulator
from tests.integration.cli.conftest import Typist
from tests.support.factories import an_order


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """Return a file with the simulator's password."""
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


def words(simulator: Simulator, password: Path, **changes: str) -> list[str]:
    """Return the words that add an account."""
    given = {"url": simulator.url, "customer-uri": "demo", "login": "admin"} | changes
    options = [f"--{name}={value}" for name, value in given.items()]
    return ["account", "add", "hafen", *options, f"--password-file={password}"]


def set_up(simulator: Simulator, **settings: object) -> None:
    requests.post(f"{simulator.door}/settings", json=settings, timeout=30).raise_for_status()


def seen(added: dict[str, Any]) -> tuple[Any, Any, Any]:
    return added["roles"], added["missing"], added["unknown"]


def test_what_an_account_lacks_at_scm_is_said_and_it_is_saved(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    set_up(
        simulator,
        api_disabled_organizations=[9103],
        withheld_privileges=["admin:autoApproveCertificates"],
        password_days=10,
        admin_type="STANDARD",
    )

    added = typist.json(*words(simulator, password))
    typist.types("account", "verify", "hafen")

    assert added["status"] == "active"
    for part in (
        "the password expires on ",
        "type is STANDARD",
        "each order will wait for manual approval in SCM",
        '"Enable Web/REST API" is off (tab SSL) for Library (9103)',
    ):
        assert len([sentence for sentence in added["missing"] if part in sentence]) == 1
        assert part in typist.out
    assert added["unknown"] == []


def test_what_scm_does_not_show_is_said_once(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    set_up(simulator, shows_admins=False)
    fault = {"method": "GET", "path": "/admin/v1/password", "times": 1, "kind": "status"}
    requests.post(f"{simulator.door}/faults", json=[fault], timeout=30).raise_for_status()

    added = typist.json(*words(simulator, password))

    assert (added["roles"], added["missing"]) == ([], [])
    ended, record = added["unknown"]
    assert "the password could not be read" in ended
    assert "Check in SCM (Settings, Admins)" in record


def test_a_departments_account_is_told_what_it_is_confined_to(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    added = typist.json(*words(simulator, password, login="drao"))

    roles, missing, unknown = seen(added)
    assert (roles, unknown) == (["DRAO_SSL"], [])
    (scope,) = missing
    assert "for, and imports from, its departments only (IT Services (9102))" in scope


def test_an_account_without_a_validated_domain_is_told_so(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    login = {"login": "admin", "password": "secret", "customerUri": "demo"}
    url = f"{simulator.url}/domain/v1"
    domains = requests.get(url, params={"size": 200}, headers=login, timeout=30).json()
    for domain in domains[1:]:
        requests.put(f"{url}/{domain['id']}/suspend", headers=login, timeout=30)

    one = typist.json(*words(simulator, password))
    requests.put(f"{url}/{domains[0]['id']}/suspend", headers=login, timeout=30)
    typist.types("account", "remove", "hafen", "--yes")
    none = typist.json(*words(simulator, password))

    assert one["missing"] == []
    assert "none of its domains is active, delegated for SSL and validated" in none["missing"][0]


def test_an_account_that_was_removed_by_force_comes_back(
    typist: Typist, simulator: Simulator, password: Path
) -> None:
    typist.types(*words(simulator, password))
    with typist.database.transaction() as db:
        order = an_order(db, account_named(db, "hafen"), status="pending").id

    refused = typist.types("account", "remove", "hafen", "--yes", code=1)
    assert "has 1 open order (1 pending): it is not removed" in refused
    assert "warning: 1 orders are in review" in typist.types(
        "account", "remove", "hafen", "--force", "--yes"
    )
    assert typist.json("account", "list") == []
    assert [row["status"] for row in typist.json("account", "list", "--all")] == ["removed"]
    shown = typist.json("order", "show", order)
    assert (shown["status"], shown["account"]) == ("review", "hafen")
    typist.types("account", "verify", "hafen", code=1)
    typist.types("order", "resolve", order, "--adopt", "7", code=2)

    other = words(simulator, password, **{"customer-uri": "other"})
    assert "take another name" in typist.types(*other, code=2)
    assert typist.json(*words(simulator, password))["status"] == "active"
    assert typist.json("order", "resolve", order, "--adopt", "7")["status"] == "pending"
