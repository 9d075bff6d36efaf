"""Benchmark of 200 orders placed at once, with RabbitMQ and two worker processes, compared with a serial loop.

Both call the same simulator in the same run. Every order is checked: one record at SCM, one stored certificate,
and a PKCS#12 keystore that opens and contains the order's key.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from cryptography.hazmat.primitives.serialization import pkcs12
from sqlalchemy import func, select

from benchmarks.stand_in import calls_of, orders_at, simulator
from certline.models import Certificate, Database, Order, OrderStatus, PrivateKey
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import OrderCommand
from certline.models.vault import Vault
from certline.producers.requests.orders import request_order
from certline.workers.keys import chain as chains
from certline.workers.keys import key_pair
from certline.workers.keys.csr import sign_request
from certline.workers.keys.keystore import pkcs12 as make_pkcs12
from certline.workers.scm import Enrolment, Login, NotReady, ScmClient
from tests.servers import open_postgres, open_rabbitmq, until
from tests.support.deployment import Plant

ORDERS = 200
# Duration of a call to SCM, and the time until SCM issues, in milliseconds, set at the simulator.
LATENCY_MS = 20
ISSUE_AFTER_MS = 1_000
LOOP_ORDERS = 20


def main() -> None:
    """Run the benchmark and print the figures. Exits with an error if an order, or a keystore, is wrong."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        rabbitmq = stack.enter_context(open_rabbitmq())
        url = stack.enter_context(postgres.database())
        vhost = stack.enter_context(rabbitmq.vhost())
        scm = stack.enter_context(
            simulator("--latency-ms", str(LATENCY_MS), "--issue-after-ms", str(ISSUE_AFTER_MS))
        )
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_POLL_SECONDS="0.5"))
        plant.certline("init")
        plant.certline("license", "set", str(ORDERS))
        for part in (("worker", "--processes", "2"), ("relay",), ("producer",)):
            plant.start(*part)
        plant.add_account(f"{scm}/api")
        before = calls_of(scm)
        placed, stored = place_and_wait(plant, url)
        calls = calls_of(scm) - before
        names = [order["commonName"] for order in orders_at(scm)]
        opened = keystores_that_open(plant, url)
        each = _serial_loop(scm)
    if (len(names), len(set(names)), opened) != (ORDERS, ORDERS, ORDERS):
        sys.exit(
            f"{len(names)} orders at SCM, {len(set(names))} different, {opened} keystores open"
        )
    print(f"{ORDERS} orders, {LATENCY_MS} ms a call, issued after {ISSUE_AFTER_MS} ms")
    print(f"  orders at SCM, different names, PKCS#12 that open: {ORDERS}, {ORDERS}, {opened}")
    print(f"  placed:                     {placed:6.1f} s")
    print(f"  from first to last stored:  {stored:6.1f} s")
    print(f"  certificates a minute:      {60 * ORDERS / stored:6.0f}")
    print(f"  calls to SCM an order:      {calls / ORDERS:6.2f}")
    print(f"  a serial loop:              {each:6.2f} s an order (by {LOOP_ORDERS} of them)")
    print(f"  ratio loop / line:          {each * ORDERS / stored:6.1f}")


def place_and_wait(plant: Plant, url: str) -> tuple[float, float]:
    """Place all orders from four threads, wait until all are stored. Returns the seconds of both."""
    database = Database(url, pool_size=4)
    vault = Vault(plant.environment["CERTLINE_SECRET_KEY"])
    start = time.monotonic()
    with ThreadPoolExecutor(4) as hands:
        orders = [_wanted(f"bench{number}.nordhafen.example") for number in range(ORDERS)]
        list(
            hands.map(
                partial(request_order, database, vault, requested_by=Identity("os:bench")), orders
            )
        )
    placed = time.monotonic() - start

    def all_stored() -> bool:
        with database.transaction() as db:
            count = select(func.count()).where(Order.status == OrderStatus.STORED)
            return db.scalar(count) == ORDERS

    until(all_stored, 300, every=0.1)
    stored = time.monotonic() - start
    database.close()
    return placed, stored


def keystores_that_open(plant: Plant, url: str) -> int:
    """Count the stored certificates whose PKCS#12 keystore opens and contains the key of their order."""
    database = Database(url, pool_size=1)
    vault = Vault(plant.environment["CERTLINE_SECRET_KEY"])
    opened = 0
    with database.transaction() as db:
        for certificate, order, key in db.execute(
            select(Certificate, Order, PrivateKey)
            .join(Order, Certificate.order_id == Order.id)
            .join(PrivateKey, Certificate.key_id == PrivateKey.id)
        ):
            private = key_pair.from_pem(vault.open(key.pem_sealed))
            pem = "".join([certificate.leaf, *certificate.issuers])
            parts = chains.read_certificates(pem.encode())
            chain = chains.build_chain(parts, order.public_key_sha256 or "")
            password = vault.open(certificate.keystore_password_sealed or b"").decode()
            keystore = make_pkcs12(private, chain, certificate.common_name, password)
            loaded = pkcs12.load_pkcs12(keystore, password.encode())
            if loaded.key is not None:
                digest = key_pair.public_key_sha256(loaded.key.public_key())
                opened += digest == order.public_key_sha256
    database.close()
    return opened


def _serial_loop(scm: str) -> float:
    """Enrol, poll and collect one order after the other, as a script does. Returns the seconds per order."""
    client = ScmClient(Login(f"{scm}/api", "demo", "admin", "secret"))
    (organization, *_) = client.organizations()
    profile = next(each for each in client.profiles() if each.name == "OV Multi-Domain SSL")
    start = time.monotonic()
    for number in range(LOOP_ORDERS):
        name = f"loop{number}.nordhafen.example"
        key = key_pair.generate("EC", "P-256")
        wanted = Enrolment(
            organization.id, profile.id, 90, sign_request(key, name, []), sans=(name,)
        )
        ssl_id = client.enroll(wanted).ssl_id
        while not _collected(client, ssl_id):
            time.sleep(0.5)
    return (time.monotonic() - start) / LOOP_ORDERS


def _collected(client: ScmClient, ssl_id: int) -> bool:
    try:
        client.collect(ssl_id)
    except NotReady:
        return False
    return True


def _wanted(name: str) -> OrderCommand:
    return OrderCommand(
        common_name=name,
        organization="Nordhafen University",
        profile="OV Multi-Domain SSL",
        term=90,
        key_algorithm="EC",
        key_size="P-256",
    )
