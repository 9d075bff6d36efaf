"""Tests of alerts and dashboard for real: a Prometheus watches a running line, and something breaks."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from certline.models import OrderStatus
from certline.simulator.server import running
from tests.monitoring.documents import dashboard, queries
from tests.monitoring.watched_line import WatchedLine, watched_line
from tests.monitoring.work import (
    end_validations,
    failing,
    full_license,
    make_due,
    order_from_outside,
    other_password,
    set_up,
)
from tests.servers import PostgresServer, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prometheus_programs")]


@pytest.fixture(scope="module")
def line(
    prometheus_programs: None,  # noqa: ARG001 -- first: without them nothing is started
    postgres: PostgresServer,
    template_database: str,
    vhost: str,
) -> Iterator[WatchedLine]:
    """Yield a line that is watched, and has done work of each kind."""
    with (
        running() as simulator,
        postgres.database(template_database) as database_url,
        watched_line(database_url, vhost, simulator) as line,
    ):
        plant = line.plant
        set_up(simulator, issue_after_ms=200)
        plant.add_account(simulator.url)
        plant.certline("sender", "add", "shop", "--amqp-user", "guest")
        plant.order("www.nordhafen.example", "--wait", "--timeout", "60")
        order_from_outside(plant, vhost, "shop.nordhafen.example")
        make_due(plant, "www.nordhafen.example")
        plant.certline("auto-renew", "enable", "--days", "30")
        plant.certline("auto-renew", "select", "--all")
        plant.certline("auto-renew", "run")
        yield line


def asked(expression: str) -> str:
    """Return a query of the dashboard as Grafana sends it."""
    return expression.replace("$installation", ".*").replace("$__rate_interval", "1m")


def test_a_healthy_line_is_silent_and_each_of_its_parts_is_reached(line: WatchedLine) -> None:
    parts = ("worker", "relay", "ingress", "producer")
    until(lambda: line.prometheus.query("certline_orders"), 60)

    line.until_silent()

    assert line.prometheus.targets() == {f"certline-{part}": "up" for part in parts}


def test_every_query_of_the_dashboard_returns_data(line: WatchedLine) -> None:
    # What is said of alerts has data while one fires.
    wanted = [query for query in queries() if not query.startswith("ALERTS")]

    def without_data() -> list[str]:
        return [query for query in wanted if not line.prometheus.query(asked(query))]

    with suppress(TimeoutError):
        until(lambda: not without_data(), 60, every=1)
    assert not (left := without_data()), "\n".join(left)
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["definition"] == "label_values(certline_build_info, installation)"
            values = line.prometheus.label_values("installation", "certline_build_info")
            assert values == ["certline"]


def test_somebody_learns_that_scm_fails_and_that_it_works_again(line: WatchedLine) -> None:
    line.until_silent()
    with failing(line.simulator):
        for kind in ("organizations", "domains", "profiles"):
            line.plant.certline("sync", kind)

        alert = line.until_firing("CertlineBreakerOpen")

        scm = alert["labels"]["scm"]
        assert scm in line.simulator.url
        assert alert["annotations"]["summary"] == f"SCM at {scm} fails, and is not called"
        assert "`certline doctor`" in alert["annotations"]["description"]
        line.until_firing("CertlineScmDown")
        for query in queries():
            if query.startswith("ALERTS"):
                assert line.prometheus.query(asked(query)), query
    line.until_silent()


def test_somebody_learns_that_an_account_is_suspended(line: WatchedLine) -> None:
    line.until_silent()
    with other_password(line.simulator):
        command = line.plant.place("suspended.nordhafen.example")

        alert = line.until_firing("CertlineAccountSuspended")

        assert alert["labels"]["account"] == "demo"
        said = alert["annotations"]["description"]
        assert "`certline account verify demo --new-password`" in said
    line.plant.certline("account", "verify", "demo")
    line.plant.until(command, OrderStatus.STORED)
    line.until_silent()


def test_somebody_learns_that_the_licence_is_full(line: WatchedLine) -> None:
    line.until_silent()
    with full_license(line.plant):
        command = line.plant.place("held.nordhafen.example")
        line.plant.until(command, OrderStatus.HELD)

        line.until_firing("CertlineLicenseFull")

    line.plant.until(command, OrderStatus.STORED)
    line.until_silent()


def test_somebody_learns_that_renewals_will_be_and_are_refused_and_why(line: WatchedLine) -> None:
    line.until_silent()
    end_validations(line.plant)
    make_due(line.plant, "shop.nordhafen.example")
    line.until_firing("CertlineDomainValidationTooShort")
    line.plant.certline("auto-renew", "run", expect=3)

    alert = line.until_firing("CertlineRenewalsRefused")

    assert alert["labels"]["reason"] == "validation_ended"
    said = alert["annotations"]["summary"]
    assert said == "Renewals that auto-renewal refused (validation_ended): 1"
    line.plant.certline("sync", "domains", "--wait")
    line.plant.certline("auto-renew", "run")
    line.until_silent()


def test_somebody_learns_that_a_worker_was_killed_for_ever(line: WatchedLine) -> None:
    line.until_silent()
    line.kill("worker")

    missing = line.until_firing("CertlinePartDown")
    down = line.until_firing("CertlineTargetDown")

    assert missing["labels"]["part"] == "worker"
    assert missing["annotations"]["summary"] == "No worker runs"
    assert down["labels"]["job"] == "certline-worker"
    line.start("worker")
    line.until_silent()
