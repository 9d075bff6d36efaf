"""`certline demo`: the life cycle of a certificate, played and checked through the real command line.

It uses an embedded Postgres, the simulator, and one `certline up`, in a temporary directory.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.markup import escape

from certline.cli.demo.stage import (
    CERTLINE,
    PATIENCE,
    DemoFailedError,
    Stage,
    free_port,
    must,
    running,
    until_answers,
)
from certline.cli.main import PLACES

# The checkout, if certline runs from one.
SOURCE = Path(__file__).resolve().parents[2]


def play() -> int:
    """Play the whole demo. Returns 0 if every step did what it says, otherwise 1."""
    import requests

    started = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="certline-demo-"))
    stage = Stage(home, free_port())
    stage.screen.print(
        "[bold]certline demo[/bold]: a certificate from scratch, without any server.\n"
        f"Everything is in {home} and uses a simulator of SCM; nothing leaves this machine."
    )
    try:
        with _postgres(stage), _simulator(stage):
            _story(stage)
    except (
        DemoFailedError,
        subprocess.TimeoutExpired,
        requests.RequestException,
        OSError,
    ) as error:
        stage.screen.print(f"\n[red]The demo failed:[/red] {escape(str(error))}")
        stage.screen.print(f"The logs of certline and the simulator are in {home}/*.log.")
        return 1
    stage.screen.print(
        f"\n[green]Done[/green] in {time.monotonic() - started:.0f} s: every step was checked.\n"
        "\nWhat to type next:"
    )
    program = typed_as()
    stage.screen.print(
        f"  CERTLINE_HOME={home} {program} certificate list   # what the demo has stored"
    )
    if (SOURCE / "Makefile").is_file():
        stage.screen.print(
            "  make test                                # the tests, against real servers"
        )
    stage.screen.print(f"  {program} --help   # all commands; README: your first order")
    return 0


def typed_as() -> str:
    """Return how this program is called from the present directory: `certline` if the shell finds it so."""
    called = Path(sys.argv[0])
    if called.name != "certline":
        return f"{sys.executable} -m certline"
    found = shutil.which("certline")
    if found is not None and Path(found).resolve() == called.resolve():
        return "certline"
    absolute = called.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _story(stage: Stage) -> None:
    stage.chapter("1. Tables and a secret key")
    stage.ask("init")
    stage.tell("stored", "the tables in an embedded Postgres, and a key that encrypts every secret")

    with _line(stage):
        stage.chapter("2. An account at SCM, and its organisations, domains and profiles")
        words = ["--url", f"{stage.scm}/api", "--customer-uri", "demo", "--login", "admin"]
        linked = stage.ask("account", "add", "demo", *words, given="secret\n")
        # The first sync has begun with the account.
        synced = stage.ask("command", "wait", linked["sync_command"], "--timeout", str(PATIENCE))
        result = synced["result"]
        must(result["domains"]["total"] > 12, "the sync brought every page of domains")
        stage.tell("SCM saw", f"{sum(stage.door('calls').values())} calls, each with the login")
        stage.tell(
            "stored",
            f"{result['organizations']['total']} organisations, {result['domains']['total']} domains, "
            f"{result['profiles']['total']} profiles",
        )

        stage.chapter("3. An order with an EC key; the licence allows one line")
        stage.ask("license", "set", "1")
        first = _order(stage, "www.nordhafen.example", "EC", "P-256", "--san", "nordhafen.example")
        must(first["result"]["order_status"] == "stored", "the EC order is stored")
        _narrate(stage, first)

        stage.chapter("4. An order with an RSA key; no licence is left, so it is held")
        second = _order(stage, "vpn.nordhafen.example", "RSA", "2048", expect=3)
        must(second["status"] == "held", "the RSA order is held")
        stage.tell("held", "SCM has issued it; it waits for a free line")
        use = stage.ask("license", "set", "10")
        must(use["capacity"] == 10, "the licence has room for 10")
        stage.tell("asked", "ten lines: the held order goes on automatically")
        second = stage.ask("command", "wait", second["id"], "--timeout", str(PATIENCE))
        must(second["result"]["order_status"] == "stored", "the held order is stored")
        _narrate(stage, second)

        stage.chapter("5. What is stored")
        listed = stage.ask("certificate", "list")
        must(len(listed) == 2, "two certificates are listed")
        stage.ask("certificate", "show", listed[0]["id"])
        for shown in listed:
            stage.tell(
                "stored",
                f"{shown['common_name']}  {shown['key_algorithm']} {shown['key_size']}  "
                f"until {shown['not_after'][:10]}  serial {shown['serial_number'][:16]}…",
            )
            _check_export(stage, shown)


def _order(stage: Stage, name: str, algorithm: str, size: str, *more: str, expect: int = 0) -> Any:
    words = ["--common-name", name, "--organization", "Nordhafen University", *more]
    words += ["--profile", "OV Multi-Domain SSL", "--term", "90"]
    words += ["--key-algorithm", algorithm, "--key-size", size]
    words += ["--wait", "--timeout", str(PATIENCE)]
    return stage.ask("order", "create", *words, expect=expect)


def _narrate(stage: Stage, command: Any) -> None:
    order = stage.ask("order", "show", command["result"]["order_id"])
    at_scm = {record["sslId"]: record for record in stage.door("orders")}
    must(order["scm_id"] in at_scm, "SCM has the order")
    record = at_scm[order["scm_id"]]
    same = [each for each in at_scm.values() if each["commonName"] == order["common_name"]]
    must(len(same) == 1, "SCM has it once")
    stage.tell("asked", f"{order['common_name']}, {order['key_algorithm']} {order['key_size']}")
    stage.tell("SCM saw", f"order {order['scm_id']}, once, comment {record['comments']}")
    stage.tell("stored", f"certificate {order['certificate_id']} with its key, encrypted")


def _check_export(stage: Stage, row: Any) -> None:
    """Export a PKCS#12, open it, and compare its key with the key that the order was made with."""
    from cryptography.hazmat.primitives.serialization import (  # slow to load
        pkcs12,
    )

    from certline.workers.keys.key_pair import public_key_sha256  # same

    target = stage.home / f"{row['common_name']}.p12"
    stage.ask("certificate", "export", row["id"], "--output", str(target), "--force")
    password = stage.ask("certificate", "password", row["id"])["password"]
    opened = pkcs12.load_pkcs12(target.read_bytes(), password.encode())
    must(opened.key is not None and opened.cert is not None, "the PKCS#12 has key and certificate")
    if opened.key is None or opened.cert is None:
        return
    in_leaf = public_key_sha256(opened.cert.certificate.public_key())
    must(in_leaf == public_key_sha256(opened.key.public_key()), "leaf and key belong together")
    must(in_leaf == _ordered_key(stage, row["order_id"]), "the leaf has the order's key")
    stage.tell("checked", f"{target.name} opens; its leaf has the key that the order was made with")


def _ordered_key(stage: Stage, order_id: str) -> str | None:
    """Return the digest of the order's public key, as stored before the order was sent."""
    from certline.models import Database, Order  # slow to load

    database = Database(_database_url(stage), pool_size=1)
    try:
        with database.transaction() as db:
            return db.get_one(Order, order_id).public_key_sha256
    finally:
        database.close()


def _database_url(stage: Stage) -> str:
    from certline.models.database.embedded_postgres import database_url  # slow to load
    from certline.models.settings import Settings  # same

    return database_url(Settings(home=stage.home, database_url=None))


@contextmanager
def _postgres(stage: Stage) -> Iterator[None]:
    """Keep the embedded server running for the whole demo, and preload the commands.

    The server stops with the last process that uses it, so this process uses it first. The commands'
    processes are forked from this one and inherit what it has imported.
    """
    stage.tell("starting", "Postgres, from its wheel")
    _database_url(stage)
    for noun in ("account", "certificate", "command", "init", "license", "order", "sync"):
        import_module(PLACES[noun][0])
    yield


@contextmanager
def _simulator(stage: Stage) -> Iterator[None]:
    port = stage.scm.rpartition(":")[2]
    program = [*CERTLINE, "simulator", "--port", port, "--issue-after-ms", "700"]
    with running(stage, "simulator", program):
        until_answers(f"{stage.scm}/_sim/health")
        yield


@contextmanager
def _line(stage: Stage) -> Iterator[None]:
    with running(stage, "up", [*CERTLINE, "up"]):
        yield
