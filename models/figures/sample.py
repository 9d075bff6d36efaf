"""Samples: the figures are counted by one process at a time, and kept in rows for the scrapes of all."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from types import MappingProxyType
from typing import cast

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models.database.metric_sample import MetricSample
from certline.models.database.outage import outage_text
from certline.models.database.session import Database
from certline.models.figures.catalogue import Readings
from certline.models.figures.flow import flow
from certline.models.figures.stock import stock

log = structlog.get_logger()

Count = Callable[[Session], Readings]
COUNTS: Mapping[str, Count] = MappingProxyType({"flow": flow, "stock": stock})
# A scrape that finds a sample older than FRESH has it counted again for the next one; one older than KEEP is not
# shown, but counted at once.
FRESH, KEEP = timedelta(seconds=15), timedelta(minutes=2)
# A sample that took n seconds stays fresh for SHARE times n: counting takes a hundredth of the time at most.
SHARE = 100
# Milliseconds: the longest of the statements.
STATEMENT_TIMEOUT = 10_000


@dataclass(frozen=True)
class Sample:
    """Figures, how many seconds ago they were counted, and how many seconds that took."""

    figures: Readings
    age: float
    seconds: float

    @property
    def fresh_for(self) -> float:
        """Seconds after which the figures are counted again."""
        return max(FRESH.total_seconds(), SHARE * self.seconds)

    @property
    def is_fresh(self) -> bool:
        """True if the figures need not be counted again yet."""
        return self.age <= self.fresh_for

    @property
    def is_too_old(self) -> bool:
        """True if the figures should not be shown any more."""
        return self.age > self.fresh_for + KEEP.total_seconds()


def scrape(database: Database) -> tuple[Readings, float]:
    """Return the figures for a scrape, and the age in seconds of those of what is in motion.

    Samples that are no longer fresh are counted again in the background, missing and too old ones at once.
    Raises SQLAlchemyError.
    """
    with database.transaction() as db:
        kept = samples(db)
    for name in COUNTS:
        sample = kept.get(name)
        if sample is None or sample.is_too_old:
            kept[name] = _count_now(database, name)
    stale = [name for name, sample in kept.items() if not sample.is_fresh]
    if stale:
        # A daemon, so that a stop of the process doesn't wait for a slow database.
        threading.Thread(target=_count_again, args=(database, stale), daemon=True).start()
    return merged(sample.figures for sample in kept.values()), kept["flow"].age


def samples(db: Session) -> dict[str, Sample]:
    """Return the samples as they were counted last, by name."""
    age = func.extract("epoch", func.clock_timestamp() - MetricSample.taken_at)
    query = select(MetricSample.name, MetricSample.figures, age, MetricSample.seconds)
    return {
        name: Sample(cast("Readings", figures), _since(float(age)), seconds)
        for name, figures, age, seconds in db.execute(query.where(MetricSample.name.in_(COUNTS)))
    }


def _since(age: float) -> float:
    """Return the age of a sample: unknown, so infinite, if Postgres' clock was set back after it was taken."""
    return inf if age < -FRESH.total_seconds() else max(0.0, age)


def take(db: Session, name: str, *, wait: bool = False) -> bool:
    """Count the figures of that name and keep them, unless they are fresh. Returns True if counted.

    If another process is counting them: do nothing, or with `wait` wait until it has done so.
    """
    db.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT}"))
    key = func.hashtextextended(f"figures {name}", 0)
    if wait:
        db.execute(select(func.pg_advisory_xact_lock(key)))
    elif not db.scalar(select(func.pg_try_advisory_xact_lock(key))):
        return False
    sample = samples(db).get(name)
    if sample is not None and sample.is_fresh:
        return False
    begun = time.monotonic()
    figures = COUNTS[name](db)
    row = {
        "name": name,
        "figures": figures,
        "seconds": time.monotonic() - begun,
        "taken_at": func.clock_timestamp(),
    }
    fresh = insert(MetricSample).values(row)
    db.execute(fresh.on_conflict_do_update(index_elements=[MetricSample.name], set_=row))
    return True


def figures_now(db: Session) -> Readings:
    """Count all figures, and return them without keeping them."""
    return merged(count(db) for count in COUNTS.values())


def merged(parts: Iterable[Readings]) -> Readings:
    """Return the readings of several samples as one."""
    found: Readings = {}
    for part in parts:
        for name, readings in part.items():
            found.setdefault(name, []).extend((labels, value) for labels, value in readings)
    return found


def _count_now(database: Database, name: str) -> Sample:
    with database.transaction() as db:
        take(db, name, wait=True)
        return samples(db)[name]


def _count_again(database: Database, names: Iterable[str]) -> None:
    for name in names:
        try:
            with database.transaction() as db:
                take(db, name)
        except SQLAlchemyError as error:
            log.warning("figures.not_counted", sample=name, error=outage_text(error))
