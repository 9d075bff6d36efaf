"""Acceptance test of notices: relay, worker and producer as processes, RabbitMQ, and a mail server."""

from collections.abc import Iterator

import pytest
import requests

from certline.simulator.server import Simulator
from tests.acceptance.secrecy import PASSWORD
from tests.servers import until
from tests.support.deployment import Plant
from tests.support.mail_server import mail_server, text_of

WORD = "geheim4711"


@pytest.fixture
def plant(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Plant]:
    """Yield a plant with every process running and a synced account."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    with Plant(database_url, vhost) as plant:
        plant.start_all()
        plant.add_account(simulator.url, PASSWORD)
        yield plant


def test_a_person_is_told_by_mail_what_happened_and_gets_a_digest(plant: Plant) -> None:
    with mail_server() as mail:
        url = f"{mail.url}&name={WORD}"
        words = ("--on", "certificate.stored", "--digest", "daily")
        said = plant.certline("notify", "add", "ops", *words, given=f"{url}\n")
        plant.certline("notify", "test", "ops")
        ended = plant.order("told.nordhafen.example", "--wait", "--timeout", "60")
        plant.certline("schedule", "run", "digest")
        until(lambda: len(mail.mails) >= 3, 60)
        until(lambda: plant.json("notify", "show", "ops")["notices"]["sent"] == 2, 60)
        shown = plant.json("notify", "show", "ops")
        plant.certline("notify", "remove", "ops")

    assert len(mail.mails) == 3
    by_subject = {str(each["subject"]): text_of(each) for each in mail.mails}
    stored = by_subject["certline: certificate stored: told.nordhafen.example"]
    assert f"certline certificate show {ended['result']['certificate_id']}" in stored
    assert "certline: a test of the route ops" in by_subject
    assert any("for a person" in subject for subject in by_subject)
    assert shown["notices"] == {"waiting": 0, "parked": 0, "sent": 2}
    assert WORD not in said + str(shown)
