"""Integration tests of `/livez` and `/readyz`: an outage takes a part out of service, and does not restart it."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from sqlalchemy import text

from certline.models import Database
from certline.producers.schedule import Producer
from certline.workers.process import watchdog
from tests.servers import session, until
from tests.support.deployment import Plant
from tests.support.proxy import Break, Proxy

# Seconds. A relay and an ingress are tried again after 15 s at most, and are unhealthy after twice that.
PATIENCE = 90


def asked(port: int, path: str) -> tuple[int, str]:
    """Return the status and text of a probe; 0 if nobody answers."""
    try:
        answer = requests.get(f"http://127.0.0.1:{port}{path}", timeout=10)
    except requests.ConnectionError:
        return 0, "nobody answers"
    return answer.status_code, answer.text.strip()


def status_is(port: int, path: str, status: int) -> Callable[[], bool]:
    """Return a condition: that a probe gets this status."""
    return lambda: asked(port, path)[0] == status


@pytest.mark.parametrize("part", ["worker", "relay", "ingress", "producer"])
def test_a_part_is_ready_with_its_servers_and_live_without_them(
    part: str, database_url: str, vhost: str
) -> None:
    port = session.free_port()
    with (
        Proxy(database_url) as postgres,
        Plant(postgres.url, vhost, CERTLINE_METRICS_PORT=str(port)) as plant,
    ):
        running = plant.start(part)
        until(status_is(port, "/readyz", 200), PATIENCE)
        assert asked(port, "/livez") == (200, "ok")

        postgres.break_off(Break.DROP)
        until(status_is(port, "/readyz", 503), PATIENCE)
        assert asked(port, "/livez") == (200, "ok")
        assert "127.0.0.1" not in asked(port, "/readyz")[1]

        postgres.mend()
        until(status_is(port, "/readyz", 200), PATIENCE)
        assert running.exit_code is None


def test_a_worker_without_rabbitmq_is_live_and_not_ready(database_url: str, vhost: str) -> None:
    port = session.free_port()
    with (
        Proxy(vhost) as rabbitmq,
        Plant(database_url, rabbitmq.url, CERTLINE_METRICS_PORT=str(port)) as plant,
    ):
        plant.start("worker", "--processes=1", "--threads=2")
        until(status_is(port, "/readyz", 200), PATIENCE)

        rabbitmq.break_off(Break.DROP)
        until(status_is(port, "/readyz", 503), PATIENCE)

        assert "is not connected" in asked(port, "/readyz")[1]
        assert asked(port, "/livez") == (200, "ok")


def test_a_part_is_not_ready_with_older_tables_and_ready_with_newer_ones(
    database_url: str, vhost: str, database: Database
) -> None:
    port = session.free_port()

    def have(revision: str) -> None:
        change = text("UPDATE alembic_version SET version_num = :revision")
        database.run(lambda db: db.execute(change, {"revision": revision}))

    with Plant(database_url, vhost, CERTLINE_METRICS_PORT=str(port)) as plant:
        plant.start("producer")
        until(status_is(port, "/readyz", 200), PATIENCE)

        have("0001")
        until(status_is(port, "/readyz", 503), PATIENCE)
        assert "run `certline init`" in asked(port, "/readyz")[1]
        assert asked(port, "/livez") == (200, "ok")

        have("9999")
        until(status_is(port, "/readyz", 200), PATIENCE)


def test_all_parts_together_are_ready_if_each_is(database_url: str, vhost: str) -> None:
    port = session.free_port()
    with (
        Proxy(database_url) as postgres,
        Plant(postgres.url, vhost, CERTLINE_METRICS_PORT=str(port)) as plant,
    ):
        plant.start("all")
        until(status_is(port, "/readyz", 200), PATIENCE)

        postgres.break_off(Break.DROP)
        until(status_is(port, "/readyz", 503), PATIENCE)

        assert asked(port, "/livez") == (200, "ok")


def test_a_loop_that_hangs_is_noticed_and_one_that_waits_for_its_server_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "STUCK_AFTER", 8.0)  # a turn of the producer takes 5 s
    away = Database("postgresql://127.0.0.1:1/none")
    stop = threading.Event()
    waiting = Producer(away, timedelta(minutes=15))
    hanging = Producer(database, timedelta(minutes=15))
    threads = [
        threading.Thread(target=each.run, args=(stop,), daemon=True) for each in (waiting, hanging)
    ]
    with database.transaction() as db:
        db.execute(text("LOCK TABLE schedule IN ACCESS EXCLUSIVE MODE"))
        for thread in threads:
            thread.start()
        until(lambda: hanging.watchdog.fault() is not None, 30)

        assert "has not turned for" in str(hanging.watchdog.fault())
        assert waiting.watchdog.fault() is None
        stop.set()
    for thread in threads:
        thread.join(60)
    away.close()
