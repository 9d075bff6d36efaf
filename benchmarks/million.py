"""Benchmark of an estate of a million certificates and five million commands, compared with one of ten thousand.

It shows for each list and command what a process spends without its imports, the slowest statement, and the cost
per row in relation to that in the small estate. `BENCH_CERTIFICATES`, `BENCH_COMMANDS`: the sizes;
`BENCH_ROTATED`: the secrets that are rotated at most.
"""

import importlib
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import psycopg
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from benchmarks.board_pages import PageCost, cold_costs, page_costs
from benchmarks.child import Spent, spent_by
from benchmarks.estate import fill, open_orders, seal_keys
from certline import cli as certline_cli
from certline.cli.main import main as certline
from certline.models import Account, AutoRenewRun, Certificate, Database
from certline.models.audit.identity import Identity
from certline.models.database.migrate import upgrade
from certline.models.figures.sample import scrape
from certline.models.vault import Vault
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.day_plan import look_ahead
from certline.producers.requests.accounts import remove_account, settle_more
from certline.producers.requests.secret_keys import Rotation
from certline.producers.sweep import sweep
from tests.servers import open_postgres

CERTIFICATES = int(os.environ.get("BENCH_CERTIFICATES", "1000000"))
COMMANDS = int(os.environ.get("BENCH_COMMANDS", "5000000"))
SMALL = 10_000
# Pending orders without a follow-up, which the sweep finds, and a removal then settles. The events of certificates
# that expire soon are published before, by sweeps of their own: a row of those costs more, and there are a hundred
# times as many in the large estate, so a mean of both kinds would compare different work.
LOST = 10_000
ROTATED = int(os.environ.get("BENCH_ROTATED", "20000"))
# Days of `auto-renew plan`: each renewal of these days is checked, and today has most of them.
PLANNED = 1
# Scrapes of which the time of one is taken, once the process has its connection and has compiled its statements.
SCRAPES = 20
WHO = Identity("os:bench")
ORDER, CERTIFICATE = f"01HZP{5:021}", f"01HZC{5:021}"
# Lists and shows, by the words that are typed.
SHOWN = (
    "order list",
    "order list --status stored",
    "order list --open",
    "order list --organization 107",
    "order list --name host77*",
    "order list --sort changed",
    "order list --sort name",
    f"order show {ORDER}",
    "certificate list",
    "certificate list --sort expires",
    "certificate list --expires-within 30",
    "certificate list --name *.d7.example",
    "certificate list --profile 3",
    f"certificate show {CERTIFICATE}",
    "command list",
    "command list --status failed",
    "command list --type fetch",
    "audit list",
    "audit list --who os:amelie",
    "license show",
    "account list",
    "account show estate",
    "hook runs",
    "dead-letter list",
    "webhook list",
    "sender list",
    "schedule list",
    "auto-renew show",
    "auto-renew audit",
)


class Estate:
    """A filled database, and what each action on it has spent."""

    def __init__(self, url: str, certificates: int) -> None:
        self.url = url
        self.certificates = certificates
        self.spent: dict[str, Spent] = {}
        self.pages: dict[str, PageCost] = {}
        self.old, self.new = (Fernet.generate_key().decode() for _ in range(2))
        os.environ.update(CERTLINE_DATABASE_URL=url, CERTLINE_SECRET_KEY=self.old)

    def measure(self) -> None:
        """Run all actions, each in a process of its own."""
        for words in SHOWN:
            self._do(words, partial(_typed, words))
        self.pages = page_costs(self.url, ORDER, CERTIFICATE)
        for path, cost in cold_costs(self.url).items():
            self.pages[f"{path} (asked first)"] = cost
        self._do("/metrics, counted", self._count)
        self._do("/metrics", self._scrape)
        self._do(
            "auto-renew enable", partial(_typed, "auto-renew enable --days 30 --account estate")
        )
        self._do("auto-renew select --all", self._select)
        self._analyze()
        self._do("auto-renew show, selected", partial(_typed, "auto-renew show"))
        self._do("auto-renew plan", self._plan)
        self._do("auto-renew run", self._run)
        self._do("auto-renew audit, of it", partial(_typed, "auto-renew audit"))
        self._do("sweep, expiring certificates", self._sweep)
        lost = min(LOST, self.certificates)
        open_orders(self.url, lost, after=self.certificates)
        self._do("sweep", self._sweep)
        self._do("account remove", self._remove)
        self._do("keys rotate", self._rotate)

    def _do(self, name: str, work: Callable[[], object]) -> None:
        self.spent[name] = spent_by(work)
        if os.environ.get("BENCH_VERBOSE"):
            each = self.spent[name]
            print(f"{name}: {each}", file=sys.stderr)

    def _analyze(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE certificate")

    @contextmanager
    def _database(self) -> Iterator[Database]:
        database = Database(self.url)
        yield database
        database.close()

    def _count(self) -> None:
        with self._database() as database:
            scrape(database)

    def _scrape(self) -> float:
        """Return the seconds of a scrape by a process that has made others."""
        with self._database() as database:
            scrape(database)
            begun = time.monotonic()
            for _ in range(SCRAPES):
                scrape(database)
            return (time.monotonic() - begun) / SCRAPES

    def _select(self) -> int:
        with suppress(SystemExit):
            _typed("auto-renew select --all")
        with self._database() as database, database.transaction() as db:
            return db.scalar(select(func.count()).where(Certificate.auto_renew)) or 0

    def _plan(self) -> int:
        with self._database() as database, database.transaction() as db:
            return look_ahead(db, PLANNED).selected

    def _run(self) -> int:
        with self._database() as database:
            database.run(start_run)
            while go_on(database, 3600):
                pass
            with database.transaction() as db:
                (looked_at,) = db.scalars(
                    select(AutoRenewRun.looked_at).order_by(AutoRenewRun.started_at.desc()).limit(1)
                )
            return looked_at

    def _sweep(self) -> int:
        done = 0
        with self._database() as database:
            while True:
                with database.transaction() as db:
                    count = sum(sweep(db, timedelta(minutes=15)).values())
                done += count
                if count == 0:
                    return done

    def _remove(self) -> int:
        with self._database() as database:
            with database.transaction() as db:
                account = db.scalars(
                    select(Account).where(Account.name == "leaving").with_for_update()
                ).one()
                removed = remove_account(db, account, who=WHO, force=True)
            count, left = len(removed.in_review), removed.left
            while left:
                with database.transaction() as db:
                    more = settle_more(db, account, who=WHO)
                count, left = count + len(more.in_review), more.left
            return count

    def _rotate(self) -> int:
        with self._database() as database:
            vault = Vault(f"{self.new},{self.old}")
            rotation = Rotation(database, vault, who=WHO, tell=lambda _: None)
            rotation.run()
            return rotation.renewed.total()


def main() -> None:
    """Run the benchmark and print the figures."""
    figures()


def _load_all() -> None:
    """Import what commands import only when they are typed: it is no cost of an estate's size."""
    for module in pkgutil.walk_packages(certline_cli.__path__, "certline.cli."):
        importlib.import_module(module.name)


def figures() -> dict[str, float]:
    """Run the benchmark, print the figures, and return them by name."""
    _load_all()
    small = _estate(SMALL, SMALL * COMMANDS // max(1, CERTIFICATES))
    large = _estate(CERTIFICATES, COMMANDS)
    print(f"{CERTIFICATES:,} certificates, {COMMANDS:,} commands; beside it {SMALL:,} certificates")
    print(
        f"{'':34}{'seconds':>9}{'CPU s':>8}{'MB more':>9}{'slowest':>9}{'per row':>9}{'ratio':>7}"
    )
    found: dict[str, float] = {"/metrics: s a scrape": large.spent["/metrics"].returned}
    for name, each in large.spent.items():
        before = small.spent[name]
        row, ratio = "", ""
        if each.count > len(SHOWN) and before.count:
            cost, less = each.seconds / each.count, before.seconds / before.count
            row, ratio = f"{1e6 * cost:.0f} µs", f"{cost / less:.2f}"
            found[f"{name}: cost of a row, ÷ that at {SMALL:,}"] = cost / less
        print(
            f"{name[:33]:34}{each.seconds:9.3f}{each.cpu:8.3f}{each.memory:9.0f}{each.slowest:9.3f}{row:>9}{ratio:>7}"
        )
        found[f"{name}: CPU s"] = each.cpu
        found[f"{name}: s"] = each.seconds
        found[f"{name}: slowest statement, s"] = each.slowest
    for path, page in large.pages.items():
        small_page = small.pages[path]
        print(
            f"board {path[:40]:42}{1000 * small_page.first_byte:7.0f} ms among {SMALL:,};"
            f"{1000 * page.first_byte:7.0f} ms, CPU {1000 * page.cpu:.0f} ms"
        )
        found[f"board {path}: ms to the first byte among {SMALL:,}"] = 1000 * small_page.first_byte
        found[f"board {path}: ms to the first byte"] = 1000 * page.first_byte
        found[f"board {path}: ms of CPU"] = 1000 * page.cpu
        if page.numbers is not None:
            found[f"board {path}: ms until it has its numbers"] = 1000 * page.numbers
    print(
        f"a scrape of a process that has made others: {1000 * found['/metrics: s a scrape']:.1f} ms"
    )
    return found


def _estate(certificates: int, commands: int) -> Estate:
    with open_postgres() as postgres, postgres.database() as url:
        upgrade(url)
        begun = time.monotonic()
        estate = Estate(url, certificates)
        fill(url, certificates=certificates, commands=commands)
        seal_keys(url, Vault(estate.old), ROTATED)
        print(
            f"{certificates:,} certificates made in {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
        )
        estate.measure()
        return estate


def _typed(words: str) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if not os.environ.get("BENCH_VERBOSE"):
        os.dup2(nowhere, 2)
    certline(words.split())


if __name__ == "__main__":
    main()
