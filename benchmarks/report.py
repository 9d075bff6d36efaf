"""The report of the benchmarks: their figures in a file, and the tables in docs/performance.md.

`python -m benchmarks.report` writes the tables anew from the figures that were measured last.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types

from benchmarks.celery_environment import celery_version
from benchmarks.target import Target
from benchmarks.targets import TARGETS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "dist" / "benchmarks.json"
# The part of the page that is made here; the rest is written by hand.
BEGIN, END = "<!-- figures: made by `make bench` -->", "<!-- end of the figures -->"


@dataclass(frozen=True)
class Measured:
    """What one benchmark measured, how long it took, and why it failed, if it did."""

    figures: dict[str, float]
    seconds: float
    failure: str | None = None


def load() -> dict[str, Measured]:
    """Return what was measured last, by benchmark."""
    if not FIGURES.exists():
        return {}
    return {name: Measured(**each) for name, each in json.loads(FIGURES.read_text()).items()}


def save(found: Mapping[str, Measured]) -> None:
    """Store what was measured."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({name: asdict(each) for name, each in found.items()}, indent=1))


def write(found: Mapping[str, Measured]) -> None:
    """Write the tables into the page. Raises ValueError if it has no place for them."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} has no lines {BEGIN} and {END}")
    made = "\n".join([BEGIN, "", *page(found), "", END])
    PAGE.write_text(f"{before}{made}{after}")


def missed(found: Mapping[str, Measured]) -> Iterator[str]:
    """Yield the targets that were missed, or not measured."""
    for target in TARGETS:
        _, now, reached = _cells(target, found.get(target.benchmark))
        if reached not in ("yes", ""):
            yield f"{target.number}. {target.what}: {now} ({target.target})"


def page(found: Mapping[str, Measured]) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield f"Measured on {datetime.now(UTC):%d %B %Y} in one run, on {_machine()}."
    yield ""
    yield "| no. | | before | now | target | reached |"
    yield "|---|---|---|---|---|---|"
    for target in TARGETS:
        before, now, reached = _cells(target, found.get(target.benchmark))
        cells = (str(target.number), target.what, before, now, target.target, reached)
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## All figures"
    for name, each in found.items():
        yield ""
        yield f"`python -m benchmarks.{name}`, {each.seconds:.0f} s:"
        yield ""
        if each.failure:
            yield f"It failed: {each.failure}."
            continue
        yield "| figure | |"
        yield "|---|---|"
        for key, value in each.figures.items():
            yield f"| {key} | {_number(value)} |"


def _cells(target: Target, measured: Measured | None) -> tuple[str, str, str]:
    """Return the cells that depend on the figures: before, now, reached."""
    if measured is None or measured.failure:
        before = "" if "{" in target.before else target.before
        return before, "not measured" if measured is None else "failed", "no"
    figures = measured.figures
    try:
        reached = "" if target.reached is None else "yes" if target.reached(figures) else "**no**"
        shown = target.shown
        now = shown.format(**figures) if isinstance(shown, str) else shown(figures)
        return target.before.format(**figures), now, reached
    except KeyError as missing:
        return "", f"no figure {missing}", "no"


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"a machine with {os.cpu_count()} cores and {memory:.0f} GB ({platform.machine()}, "
        f"{platform.system()}), Python {platform.python_version()}, SQLAlchemy "
        f"{version('sqlalchemy')}, psycopg {version('psycopg')}, Dramatiq {version('dramatiq')}, "
        f"Celery {celery_version()}"
    )


if __name__ == "__main__":
    write(load())
