"""A domain's page while the domain is validated: a person follows it from begun to done."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from certline.models import Database, Domain, ProviderKind, Validation
from certline.models.audit.identity import Identity
from certline.producers.domains.providers import add_provider
from certline.simulator.server import Simulator
from tests.browser.browser import Watched
from tests.servers.dns import DnsServer
from tests.support.board_role import board_login
from tests.support.board_window import a_board
from tests.support.deployment import Plant

# A domain of the simulator's customer, and milliseconds for the board to show what has happened.
NAME, SOON = "nordhafen.example", 60_000


@pytest.fixture
def plant(
    database_url: str, vhost: str, simulator: Simulator, dns_server: DnsServer
) -> Iterator[Plant]:
    """Yield a line whose proofs are made by a person, and a CA that looks for them."""
    resolver = f"{dns_server.resolver}:{dns_server.port}"
    switches = {"dcv_checks": True, "dcv_resolver": resolver, "dcv_after_ms": 0, "dcv_again_ms": 50}
    requests.post(f"{simulator.door}/settings", json=switches, timeout=30).raise_for_status()
    with Plant(database_url, vhost) as line:
        line.start_all()
        line.add_account(simulator.url)
        servers = [f"{host}:{dns_server.port}" for host in (dns_server.host, dns_server.secondary)]
        add_provider(
            line.database,
            line.vault,
            "people",
            ProviderKind.MANUAL,
            [NAME],
            settings={"resolvers": [resolver], "nameservers": servers},
            credentials={},
            who=Identity("os:test"),
        )
        yield line


@pytest.fixture
def watched(browser: Browser, database_url: str) -> Iterator[Watched]:
    """Yield a browser's window to a board of the line, which logs in as the role that can only read."""
    with board_login(database_url) as url, a_board(url) as board:
        window = Watched(browser, board.url)
        yield window
        assert window.complaints == []
        assert window.violations() == []
        window.close()


def address(database: Database) -> str:
    """Return the path of the domain's page."""
    with database.transaction() as db:
        row = db.scalars(select(Domain).filter_by(name=NAME)).one()
        return f"/domains/{row.account_id}/{row.scm_id}"


def proof_of(database: Database) -> tuple[str, str]:
    """Return the name and the value of the record that a person has to make."""
    with database.transaction() as db:
        row = db.scalars(select(Validation)).one()
        assert row.proof_name is not None
        assert row.proof_value is not None
        return row.proof_name, row.proof_value


def test_a_validation_is_followed_from_begun_to_done(
    plant: Plant, watched: Watched, dns_server: DnsServer
) -> None:
    plant.certline("domain", "validate", NAME)
    path = address(plant.database)
    page = watched.open(path)
    thing = page.locator("#thing")
    expect(thing).to_contain_text("Make the CNAME record", timeout=SOON)
    page.evaluate("window.here = 'the same page'")
    name, value = proof_of(plant.database)
    assert watched.obstacles() == []

    today = watched.open("/").locator("#waiting")
    expect(today).to_contain_text("1 validation waits for a person", timeout=SOON)
    today.get_by_role("link", name="1 validation waits for a person").click()
    page.get_by_role("link", name=NAME, exact=True).first.click()
    expect(thing).to_contain_text(name)
    page.evaluate("window.here = 'the same page'")
    dns_server.add(name, "CNAME", f"{value}.")

    expect(thing).to_contain_text("Newest validation", timeout=SOON)
    expect(thing.locator(".badge", has_text="validated").first).to_be_visible()
    expect(page.locator("[data-counting]")).to_have_count(0, timeout=SOON)
    expect(thing).not_to_contain_text("Make the CNAME record")
    assert page.evaluate("window.here") == "the same page"
    watched.keep("domain-validated")
