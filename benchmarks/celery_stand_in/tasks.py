"""Renew, poll and fetch as three Celery tasks: what `renewal_storm` compares certline with.

Written as a team would that knows its tools: late acknowledgements, confirmed and persistent messages, the key
stored encrypted before anything is sent, pooled connections to Postgres and SCM, no result backend, no events.
It has no licence, audit log, rate limit, breaker, outbox or second look at SCM before an order.
"""

import hashlib
import os
import threading
from typing import Any

import requests
from celery import Celery, Task  # type: ignore[import-not-found, import-untyped, unused-ignore]
from celery.signals import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    worker_init,
)
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from psycopg_pool import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    ConnectionPool,
)

DATABASE_URL = os.environ["STAND_IN_DATABASE_URL"]
SCM_URL = os.environ["STAND_IN_SCM_URL"]
VAULT = Fernet(os.environ["STAND_IN_KEY"])
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}
# Seconds: to connect, and between two bytes.
TIMEOUT = (10, 60)
POLL_SECONDS = 0.5
THREADS = 8

app = Celery("stand_in", broker=os.environ["STAND_IN_BROKER_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)

pool = ConnectionPool(
    DATABASE_URL, min_size=THREADS, max_size=THREADS, kwargs={"autocommit": True}, open=False
)
_local = threading.local()


@worker_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def open_pool(**_: object) -> None:
    """Open the connections to Postgres before the first task."""
    pool.open(wait=True)


@app.task  # type: ignore[untyped-decorator, unused-ignore]
def renew(renewal: int) -> None:
    """Order the successor with a new key, which is stored first."""
    with pool.connection() as db:
        row = db.execute(
            "SELECT ssl_id, common_name, sans, algorithm FROM renewal"
            " WHERE id = %s AND status = 'due'",
            [renewal],
        ).fetchone()
    if row is None:  # delivered again: the order may have been sent, so a person has to look
        return
    ssl_id, common_name, sans, algorithm = row
    key = generated(algorithm)
    sealed = VAULT.encrypt(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    request = signed_request(key, common_name, sans)
    with pool.connection() as db:
        claimed = db.execute(
            "UPDATE renewal SET status = 'sent', key_sealed = %s, spki_sha256 = %s"
            " WHERE id = %s AND status = 'due'",
            [sealed, fingerprint(key.public_key()), renewal],
        )
        if claimed.rowcount == 0:
            return
    answer = session().post(
        f"{SCM_URL}/ssl/v1/renewById/{ssl_id}", json={"csr": request}, timeout=TIMEOUT
    )
    answer.raise_for_status()
    successor = answer.json()["sslId"]
    with pool.connection() as db:
        db.execute(
            "UPDATE renewal SET status = 'pending', successor = %s WHERE id = %s",
            [successor, renewal],
        )
    poll.delay(renewal, successor)


@app.task(bind=True, max_retries=None)  # type: ignore[untyped-decorator, unused-ignore]
def poll(self: Task, renewal: int, successor: int) -> None:
    """Ask for the status of the successor, again until it is issued."""
    try:
        answer = session().get(f"{SCM_URL}/ssl/v1/{successor}", timeout=TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise self.retry(exc=error, countdown=POLL_SECONDS) from None
    if answer.json()["status"] != "Issued":
        raise self.retry(countdown=POLL_SECONDS)
    fetch.delay(renewal, successor)


@app.task(bind=True, max_retries=None)  # type: ignore[untyped-decorator, unused-ignore]
def fetch(self: Task, renewal: int, successor: int) -> None:
    """Collect the certificate, check that it is for our key, and store it with its chain."""
    with pool.connection() as db:
        row = db.execute("SELECT spki_sha256 FROM renewal WHERE id = %s", [renewal]).fetchone()
    try:
        answer = session().get(f"{SCM_URL}/ssl/v1/collect/{successor}/x509", timeout=TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise self.retry(exc=error, countdown=POLL_SECONDS) from None
    found = x509.load_pem_x509_certificates(answer.content)
    leaf = next(each for each in found if row and fingerprint(each.public_key()) == row[0])
    chain = b"".join(
        each.public_bytes(serialization.Encoding.PEM) for each in found if each is not leaf
    )
    with pool.connection() as db:
        db.execute(
            "UPDATE renewal SET status = 'stored', certificate_pem = %s, chain_pem = %s,"
            " serial_number = %s, sha256_fingerprint = %s, not_after = %s,"
            " stored_at = now() WHERE id = %s",
            [
                leaf.public_bytes(serialization.Encoding.PEM).decode(),
                chain.decode(),
                f"{leaf.serial_number:X}",
                leaf.fingerprint(hashes.SHA256()).hex(),
                leaf.not_valid_after_utc,
                renewal,
            ],
        )


def session() -> requests.Session:
    """Return this thread's session, whose connection to SCM is kept."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers.update(LOGIN)
    found: requests.Session = _local.session
    return found


def generated(algorithm: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """Return a new key: RSA with 2048 bits, or EC on P-256."""
    if algorithm == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def signed_request(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, common_name: str, sans: list[str]
) -> str:
    """Return a CSR in PEM for these names."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in sans])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(public_key: Any) -> str:
    """Return the hex SHA-256 of a public key, by which a certificate is matched to its key."""
    spki = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()
