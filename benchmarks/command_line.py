"""Benchmark of the command line: CPU seconds and memory of single commands.

Nearly all that a command does is to import what it works with; so the yardsticks are the import of SQLAlchemy and
psycopg, which every command that reads the database needs, and the reading of one row by SQLAlchemy's ORM from the
same database: less than that costs no command. The least of several runs counts, since whatever else runs on the
machine only adds to one.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import NamedTuple

from cryptography.fernet import Fernet

from certline.models import Database
from tests.servers import open_postgres
from tests.support.factories import a_certificate, an_order

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
# Orders in the database, each with a certificate.
ROWS = 20
CERTLINE = (sys.executable, "-m", "certline")
# Starts a program and prints its exit code, CPU seconds and largest memory. A small process of its own, since the
# memory of a process counts from before `exec`, when it is still a copy of its parent.
METER = """
import os, sys
pid = os.fork()
if pid == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
YARDSTICK = "import sqlalchemy, psycopg"
ONE_ROW = "one row, by SQLAlchemy's ORM"
# One table and one query. The connection is part of it: OpenSSL, which checks a password, takes about 2.4 MB.
READ_ONE_ROW = """
import os
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): pass

class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

url = make_url(os.environ["CERTLINE_DATABASE_URL"]).set(drivername="postgresql+psycopg")
with Session(create_engine(url)) as session:
    session.scalars(select(Account).limit(1)).one()
"""


class Cost(NamedTuple):
    """CPU seconds (user and system) and the largest resident memory in MiB of a process."""

    seconds: float
    memory: float


def main() -> None:
    """Run the benchmark and print the figures."""
    print(f"command line: least of {RUNS} runs, {ROWS} orders in the database")
    for name, cost in costs().items():
        print(f"  {name:<32} {cost.seconds:5.2f} s CPU {cost.memory:6.1f} MB")


def figures() -> dict[str, float]:
    """Return the figures, as `order list: CPU s` and `order list: MB`."""
    found: dict[str, float] = {}
    for name, cost in costs().items():
        found |= {f"{name}: CPU s": cost.seconds, f"{name}: MB": cost.memory}
    return found


def costs() -> dict[str, Cost]:
    """Return the cost of each command, and of the yardstick."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        url = stack.enter_context(postgres.database())
        environment = os.environ | {
            "CERTLINE_DATABASE_URL": url,
            "CERTLINE_SECRET_KEY": Fernet.generate_key().decode(),
            "CERTLINE_HOME": stack.enter_context(tempfile.TemporaryDirectory()),
        }
        # Also compiles the modules, as an installation does.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([*CERTLINE, "init"], env=environment, check=True, capture_output=True)
        certificate = _rows(url)
        commands = {
            YARDSTICK: (sys.executable, "-c", YARDSTICK),
            ONE_ROW: (sys.executable, "-c", READ_ONE_ROW),
            "certline --version": (*CERTLINE, "--version"),
            "certline order create --help": (*CERTLINE, "order", "create", "--help"),
            "certline license show": (*CERTLINE, "license", "show"),
            "certline order list": (*CERTLINE, "order", "list"),
            "certline certificate show": (*CERTLINE, "certificate", "show", certificate),
        }
        found: dict[str, list[Cost]] = {name: [] for name in commands}
        # In turns, so that a busy moment of the machine does not hit one of them only.
        for _ in range(RUNS + 1):
            for name, words in commands.items():
                found[name].append(_cost(words, environment))
    # The first run of each compiles, and reads from the disk.
    return {
        name: Cost(min(each.seconds for each in runs[1:]), min(each.memory for each in runs[1:]))
        for name, runs in found.items()
    }


def _rows(url: str) -> str:
    """Store the orders and certificates; return the id of a certificate."""
    database = Database(url, pool_size=1)
    try:
        with database.transaction() as db:
            for number in range(ROWS):
                order = an_order(db, scm_id=1000 + number, common_name=f"www{number}.example.org")
                certificate = a_certificate(db, order)
            return certificate.id
    finally:
        database.close()


def _cost(words: tuple[str, ...], environment: dict[str, str]) -> Cost:
    """Run a program that has to succeed, and return what it cost."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", METER, *words],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    code, seconds, memory = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"{' '.join(words)} ended with {code}")
    # Kibibytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(float(seconds), int(memory) / unit)


if __name__ == "__main__":
    main()
