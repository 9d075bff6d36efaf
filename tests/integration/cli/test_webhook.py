"""CLI tests of webhooks: adding, listing their deliveries, and removing them."""

from typing import Any

from certline.models import Command, Webhook, WebhookStatus
from certline.models.audit.log import history
from certline.models.events.outbox import emit_event
from certline.models.settings import settings
from certline.models.webhook import park
from certline.producers.messaging.publisher import wire_of
from certline.producers.relay import Relay
from certline.workers.app import declare
from certline.workers.process.broker import make_broker
from certline.workers.runtime.context import WorkerContext
from tests.integration.cli.conftest import Typist
from tests.support.documented_events import some
from tests.support.sealed_rows import opened

URL = "https://127.0.0.1:1/certline"
KEYS = {
    *("id", "url", "events", "allow_private", "status", "status_reason", "failures"),
    *("resting_until", "created_by", "created_at"),
}


def add(typist: Typist, *events: str) -> Any:
    """Add a webhook on this machine."""
    words = [word for each in events or ("order.*",) for word in ("--events", each)]
    return typist.json("webhook", "add", URL, "--allow-private", *words)


def park_one(typist: Typist) -> str:
    """Park a delivery that failed. Returns its id."""
    broker = make_broker(settings())
    declare(broker, WorkerContext(typist.database, typist.vault, settings()))
    with typist.database.transaction() as db:
        emit_event(db, some("order.held"), subject="01J", correlation_id=None)
    Relay(typist.database, wire_of(broker)).pump()
    [row] = typist.json("webhook", "deliveries")
    with typist.database.transaction() as db:
        park(db, db.get_one(Command, row["id"]), why="it answered with status 500")
    return str(row["id"])


def test_a_webhook_is_added_and_its_secret_is_shown_this_once(typist: Typist) -> None:
    added = add(typist, "order.*,certificate.stored", "order.*")
    secret = added.pop("secret")

    shown = typist.json("webhook", "show", added["id"])
    people = typist.types("webhook", "list") + typist.types("webhook", "show", URL)

    assert set(added) == KEYS
    assert secret.startswith("whsec_")
    assert added["events"] == ["order.*", "certificate.stored"]
    assert (added["url"], added["status"]) == (URL, "active")
    assert typist.json("webhook", "list") == [added]
    assert shown == added | {"deliveries": {}}
    assert URL in people
    assert secret not in people + str(shown)
    with typist.database.transaction() as db:
        hook = db.get_one(Webhook, added["id"])
        assert opened(typist.vault, hook, "secret_sealed").decode() == secret
        [logged] = history(db, added["id"])
    assert logged.type == "webhook.added"
    assert secret not in str(logged.data)
    assert "/certline" not in str(logged.data)


def test_people_are_told_the_secret_and_that_it_is_not_shown_again(typist: Typist) -> None:
    said = typist.types("webhook", "add", URL, "--allow-private", "--events", "*")

    assert "secret whsec_" in typist.out
    assert "shown only once" in said


def test_what_cannot_work_is_refused_with_each_reason_and_nothing_is_added(typist: Typist) -> None:
    typist.types("webhook", "add", URL, code=2)
    private = typist.types("webhook", "add", URL, "--events", "*", code=2)
    plain = typist.types("webhook", "add", "http://hooks.example/", "--events", "*", code=2)
    both = typist.types("webhook", "add", "ftp://x", "--events", "order.hold", code=2)

    assert "not a public address; --allow-private allows it" in private
    assert "http:// needs --allow-private" in plain
    assert "2 problems:" in both
    assert "'order.hold' is not an event type" in both
    assert typist.json("webhook", "list") == []


def test_a_host_that_nobody_knows_yet_is_a_warning(typist: Typist) -> None:
    said = typist.types("webhook", "add", "https://nobody.invalid/", "--events", "*")

    assert "warning: nobody.invalid has no address at present" in said


def test_a_url_is_added_once(typist: Typist) -> None:
    first = add(typist)

    said = typist.types("webhook", "add", URL, "--allow-private", "--events", "*", code=4)

    assert f"webhook {first['id']} has that URL already, for order.*" in said


def test_parked_deliveries_are_listed_and_tried_anew(typist: Typist) -> None:
    hook = add(typist)
    delivery = park_one(typist)

    [row] = typist.json("webhook", "deliveries", hook["id"], "--status", "review")
    assert (row["id"], row["webhook_id"], row["event_type"]) == (delivery, hook["id"], "order.held")
    assert row["error"] == "it answered with status 500"
    assert "order.held" in typist.types("webhook", "deliveries")
    assert f"certline webhook retry {hook['id']}" in typist.types("webhook", "show", hook["id"])
    assert typist.json("webhook", "retry", delivery) == {"retried": 1}

    typist.types("webhook", "retry", delivery, hook["id"], code=4)
    [row] = typist.json("webhook", "deliveries")
    assert (row["status"], row["attempts"], row["error"]) == ("queued", 0, None)
    assert "neither a webhook nor a delivery" in typist.types("webhook", "retry", "01", code=1)


def test_deliveries_are_no_commands_that_somebody_asked_for(typist: Typist) -> None:
    hook = add(typist)
    delivery = park_one(typist)

    assert typist.json("command", "list") == []
    [listed] = typist.json("command", "list", "--type", "webhook")
    assert listed["id"] == delivery
    assert [row["id"] for row in typist.json("command", "list", "--subject", hook["id"])] == [
        delivery
    ]


def test_the_doctor_names_what_could_not_be_delivered_and_who_is_gone(typist: Typist) -> None:
    def verdict(name: str) -> Any:
        checks = typist.json("doctor", code=1)["checks"]
        return next(check for check in checks if check["name"] == name)

    hook = add(typist)
    assert verdict("webhooks")["text"] == "1, none in trouble"
    park_one(typist)
    assert verdict("webhooks")["advice"] == "certline webhook deliveries --status review"
    assert verdict("commands")["ok"]
    typist.types("webhook", "retry", hook["id"])
    with typist.database.transaction() as db:
        db.get_one(Webhook, hook["id"]).status = WebhookStatus.DISABLED
    assert verdict("webhooks")["text"] == f"disabled: {hook['id']}"

    assert typist.json("webhook", "enable", hook["id"])["status"] == "active"
    assert "already active" in typist.types("webhook", "enable", hook["id"], code=4)


def test_a_webhook_is_removed_with_what_is_on_its_way(typist: Typist) -> None:
    hook = add(typist)
    park_one(typist)

    removed = typist.json("webhook", "remove", URL)

    assert (removed["id"], removed["given_up"]) == (hook["id"], 1)
    assert typist.json("webhook", "list") == []
    assert "is not known" in typist.types("webhook", "show", hook["id"], code=1)
    assert "There are no webhooks" in typist.types("webhook", "list")
