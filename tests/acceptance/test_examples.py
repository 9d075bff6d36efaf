"""Acceptance tests of the examples, run against an installation with only an outside system's rights."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import select

from certline.models import Command, CommandStatus, Order, OrderStatus
from certline.simulator.server import running
from tests.servers import PostgresServer, open_rabbitmq, until
from tests.servers.discovery import this_machine
from tests.servers.runtimes import EXAMPLES, PYTHON, RUNTIMES, Runtime, is_fault, missing
from tests.support.deployment import Plant
from tests.support.documented_events import wrong_in
from tests.unit.scm.odd_server import OddServer, http

DEFINITIONS = EXAMPLES.parent / "deploy" / "rabbitmq" / "definitions.json"
PASSWORD = "of-the-shop"

languages = pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda each: each.language)


@pytest.fixture(scope="module")
def line(postgres: PostgresServer, template_database: str) -> Iterator[tuple[Plant, str]]:
    """Yield a plant with a synced account, and the RabbitMQ address for an outside system."""
    with (
        running() as simulator,
        open_rabbitmq(private=True) as rabbitmq,
        postgres.database(template_database) as database_url,
        Plant(database_url, rabbitmq.url) as plant,
    ):
        rabbitmq.define(DEFINITIONS)
        rabbitmq.ctl("change_password", "shop", PASSWORD)
        requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
        for part in ("worker", "relay", "ingress"):
            plant.start(part)
        plant.add_account(simulator.url)
        plant.certline("sender", "add", "shop", "--amqp-user", "shop")
        parts = urlsplit(rabbitmq.url)
        place = f"shop:{PASSWORD}@{parts.hostname}:{parts.port}"
        yield plant, parts._replace(netloc=place).geturl()
        assert wrong_in(database_url) == []


@contextmanager
def started(runtime: Runtime, url: str, name: str) -> "Iterator[subprocess.Popen[str]]":
    """Run an example that orders a certificate of that name; kill it afterwards if it has not ended."""
    words = [sys.executable if word == "python" else word for word in runtime.words]
    with subprocess.Popen(
        [*words, name],
        cwd=EXAMPLES,
        env=os.environ | {"AMQP_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@languages
def test_an_order_from_another_language_is_stored_once_and_a_wrong_one_is_told(
    runtime: Runtime, line: tuple[Plant, str]
) -> None:
    lacks = missing(runtime)
    if lacks is not None:
        give_up = pytest.fail if is_fault(runtime, this_machine()) else pytest.skip
        give_up(f"the example in {runtime.language} is not run: {lacks}")
    plant, url = line
    name = f"{runtime.language.lower()}.nordhafen.example"

    other = "www.elsewhere.example"
    with started(runtime, url, name) as right, started(runtime, url, other) as wrong:
        said, complained = right.communicate(timeout=120)
        refused, _ = wrong.communicate(timeout=120)

    assert right.returncode == 0, said + complained
    told = dict(each.split(" ", 1) for each in said.splitlines())
    assert list(told)[-1] == "certificate.stored"
    with plant.database.transaction() as db:
        [order] = db.scalars(select(Order).where(Order.common_name == name))
        command = db.get_one(Command, order.command_id)
    assert order.status is OrderStatus.STORED
    assert order.certificate_id is not None
    assert order.certificate_id in told["certificate.stored"]
    assert (command.status, command.source) == (
        CommandStatus.DONE,
        f"//shop.example/{runtime.language.lower()}",
    )
    assert wrong.returncode == 1
    assert refused.splitlines()[-1].startswith("command.failed ")


def test_a_receiver_without_rabbitmq_hears_of_the_same_by_a_webhook(
    line: tuple[Plant, str],
) -> None:
    plant, url = line
    name = "webhook.nordhafen.example"
    with OddServer([http("204 No Content")]) as receiver:
        words = ("webhook", "add", receiver.url, "--events", "certificate.*", "--allow-private")
        hook = plant.json(*words)
        with started(PYTHON, url, name) as order:
            said, complained = order.communicate(timeout=120)
        assert order.returncode == 0, said + complained

        until(lambda: name in str([seen.json() for seen in receiver.seen]), 60)
        plant.certline("webhook", "remove", hook["id"])

    event = json.loads(receiver.seen[-1].body)
    assert event["type"] == "certificate.stored"
    assert event["data"]["certificate_id"] in said
    assert receiver.seen[-1].headers["webhook-id"] == event["id"]


@languages
def test_an_example_has_at_most_forty_lines(runtime: Runtime) -> None:
    text = (EXAMPLES / runtime.words[-1]).read_text("utf-8")

    assert len(text.splitlines()) <= 40
    assert "AMQP_URL" in text


def test_the_javascript_client_is_pinned_by_its_digest_and_by_no_address() -> None:
    lock = json.loads((EXAMPLES / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((EXAMPLES / "package.json").read_text("utf-8"))["dependencies"]

    packages = {name: each for name, each in lock["packages"].items() if name}
    assert {each["version"] for each in packages.values()} == set(wanted.values())
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert not any("resolved" in each for each in packages.values())
