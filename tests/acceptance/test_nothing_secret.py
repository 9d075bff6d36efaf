"""Acceptance test that no secret leaks in a certificate's whole life: tests/acceptance/secrecy.py checks what is
printed, logged, sent and stored; this module also checks what other systems receive.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import select

from certline.models import Account
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.simulator.server import Simulator, running
from certline.workers.keys import key_pair
from tests.acceptance.secrecy import PASSWORD, PLANTED, Watch
from tests.servers import Process, until
from tests.support.deployment import Plant
from tests.support.factories import senders_of_everything
from tests.support.sealed_rows import seal_in
from tests.unit.keys.authority import Authority

pytestmark = pytest.mark.slow

GIVEN, ANEW, CLEAR = PLANTED
NAME, MESSAGE = "www.nordhafen.example", "msg.nordhafen.example"
WAIT = ("--wait", "--timeout", "90")
TOKENS = "/auth/realms/apiclients/protocol/openid-connect/token"


@pytest.fixture
def scm() -> Iterator[Simulator]:
    """Yield a simulator that already holds a few certificates."""
    with running(seed_orders=3, issue_after_ms=100, password=PASSWORD) as server:
        yield server


@pytest.fixture
def channel(vhost: str) -> Iterator[BlockingChannel]:
    """Yield another system's channel, bound to every event."""
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.exchange_declare("certline.events", exchange_type="topic", durable=True)
        channel.queue_declare("ear", durable=True)
        channel.queue_bind("ear", "certline.events", "#")
        yield channel


def a_file(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.fixture
def plant(database_url: str, vhost: str) -> Iterator[Plant]:
    """Yield a plant whose processes are not started yet."""
    with Plant(database_url, vhost) as plant:
        yield plant


def test_a_whole_life_shows_nobody_a_secret(
    plant: Plant, scm: Simulator, channel: BlockingChannel, tmp_path: Path, watch: Watch
) -> None:
    line = plant.start("all")
    line.wait_for("ingress.listens", 60)
    plant.add_account(scm.url, PASSWORD)
    other_logins(plant, scm, tmp_path, watch)

    a_certificate_lives(plant, tmp_path)
    other_systems_send(plant, channel)
    # Failures must not leak either: a login, and a worker that cannot read a secret.
    wrong = ("--url", scm.url, "--customer-uri", "demo", "--login", "admin")
    plant.certline("account", "add", "wrong", *wrong, given=f"{CLEAR}\n", expect=1)
    a_worker_fails(plant, line)
    line.terminate()
    the_secret_key_is_rotated(plant, tmp_path)

    told = "\n".join(body.decode() for body in heard(channel))
    assert "certificate.revoked" in told
    watch.said["events"] = told
    assert plant.json("audit", "verify")["whole"]
    whats = {each["what"] for each in plant.json("audit", "list")}
    assert whats >= {"order.stored", "certificate.exported", "keys.rotated", "account.added"}


def a_certificate_lives(plant: Plant, folder: Path) -> None:
    """Order, renew, reissue and revoke a certificate, export it in every form, and import what SCM holds."""
    name, given, anew = NAME, a_file(folder, "given", GIVEN), a_file(folder, "anew", ANEW)
    plant.order(name, "--keystore-password-file", given, "--account", "demo", *WAIT)
    plant.certline("certificate", "renew", name, *WAIT)
    words = ("--reason", "moved", "--keystore-password-file", anew)
    plant.certline("certificate", "reissue", name, *words, *WAIT)
    for form in ("pem", "key", "pkcs12", "jks"):
        file = str(folder / f"www.{form}")
        plant.certline("certificate", "export", name, "--format", form, "--output", file)
    assert opens(folder / "www.pkcs12", ANEW)
    plant.certline("certificate", "revoke", name, "--comments", "over", "--yes", *WAIT)
    plant.certline("import", "--account", "demo", *WAIT)


def other_systems_send(plant: Plant, channel: BlockingChannel) -> None:
    """Send a sealed password, which is accepted, and two in clear text, which end as dead letters."""
    plant.database.run(senders_of_everything)
    sealed = plant.json("seal", given=f"{GIVEN}\n")["sealed"]
    taken = publish(channel, plant, keystore_password_sealed=sealed)
    publish(channel, plant, keystore_password=CLEAR)
    publish(channel, plant, keystore_password_sealed=CLEAR)
    until(lambda: plant.database.run(dead_letters_waiting) == 2, 60)
    for letter in plant.json("dead-letter", "list"):
        plant.certline("dead-letter", "show", letter["id"])
        plant.certline("dead-letter", "replay", letter["id"], expect=1)
        plant.certline("dead-letter", "drop", letter["id"], "--reason", "refused")
    plant.certline("command", "wait", taken, "--timeout", "60")


def other_logins(plant: Plant, scm: Simulator, folder: Path, watch: Watch) -> None:
    """Add accounts with an API key, which fetches tokens, and with a client certificate and its key."""
    secret = a_file(folder, "secret", PASSWORD)
    tokens = scm.url.removesuffix("/api") + TOKENS
    words = ("--url", scm.url, "--token-url", tokens, "--client-id", "admin")
    plant.certline("account", "add", "key", *words, "--client-secret-file", secret)
    plant.certline("sync", "organizations", "--account", "key", *WAIT)
    assert "a token of SCM's" in watch.secrets.values()
    authority = Authority.root("svc-pipeline")
    certificate = authority.cert.public_bytes(Encoding.PEM).decode()
    files = (
        a_file(folder, "certificate.pem", certificate),
        a_file(folder, "key.pem", key_pair.to_pem(authority.key).decode()),
    )
    named = ("--client-certificate", files[0], "--client-key", files[1])
    away = ("--url", "https://scm.invalid/api", "--customer-uri", "demo", "--login", "admin")
    plant.certline("account", "add", "cert", *away, "--no-verify", *named)
    plant.certline("sync", "organizations", "--account", "cert")  # scm.invalid never responds


def publish(channel: BlockingChannel, plant: Plant, **changes: str) -> str:
    """Publish an order as another system sends it. Returns the command's id."""
    wanted = plant.wanted(MESSAGE, account="demo")
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "//shop.example",
        "type": "certline.command.order.v1",
        "data": wanted.model_dump(mode="json", exclude_defaults=True) | changes,
    }
    address = urlsplit(plant.environment["CERTLINE_RABBITMQ_URL"])
    properties = pika.BasicProperties(user_id=unquote(address.username or "guest"))
    channel.basic_publish("certline.commands", "order", json.dumps(event).encode(), properties)
    return str(event["id"])


def a_worker_fails(plant: Plant, line: Process) -> None:
    """Make a step fail with a traceback in the log, and one because a stored secret cannot be opened."""
    for torn, says in (
        (b"\xff torn", "UnicodeDecodeError"),
        (None, "a stored secret cannot be read"),
    ):
        with plant.database.transaction() as db:
            account = db.scalars(select(Account).where(Account.name == "key")).one()
            seal_in(db, plant.vault, account, "secret_sealed", torn or b"")
            if torn is None:
                account.secret_sealed = b"torn"
        plant.certline("sync", "organizations", "--account", "key")
        line.wait_for(says, 60)
    assert "Traceback" in line.output


def the_secret_key_is_rotated(plant: Plant, folder: Path) -> None:
    """Put a new key before the old one, rotate everything to it, and remove the old one."""
    old, new = plant.environment["CERTLINE_SECRET_KEY"], Fernet.generate_key().decode()
    with plant.database.transaction() as db:  # the torn secret could not be re-encrypted
        account = db.scalars(select(Account).where(Account.name == "key")).one()
        seal_in(db, plant.vault, account, "secret_sealed", PASSWORD.encode())
    plant.environment["CERTLINE_SECRET_KEY"] = f"{new},{old}"
    rotated = plant.json("keys", "rotate")
    newest, oldest = plant.json("keys", "status")["keys"]
    assert rotated["keys"] == [newest, oldest]
    assert (oldest["may_be_removed"], oldest["secrets"]) == (True, 0)
    plant.environment["CERTLINE_SECRET_KEY"] = new
    assert plant.json("keys", "rotate", expect=4)["rotated"] == {}
    file = str(folder / "again.p12")
    plant.certline("certificate", "export", MESSAGE, "--output", file)
    assert opens(Path(file), GIVEN)


def heard(channel: BlockingChannel) -> Iterator[bytes]:
    """Yield the body of every event received."""
    while True:
        method, _, body = channel.basic_get("ear", auto_ack=True)
        if method is None:
            return
        yield body


def opens(keystore: Path, password: str) -> bool:
    return pkcs12.load_pkcs12(keystore.read_bytes(), password.encode()).key is not None
