"""Results of `make faults` as the table in docs/reliability.md."""

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.random.kills import Run

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
START, END = "<!-- faults: written by `make faults` -->\n", "<!-- /faults -->\n"
PACKAGES = ("dramatiq", "pika", "SQLAlchemy", "psycopg")


@dataclass(frozen=True)
class Versions:
    """Versions of the servers used; as a string, also those of Python and packages."""

    postgres: str
    rabbitmq: str

    def __str__(self) -> str:
        ours = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
        theirs = [f"Postgres {self.postgres}", f"RabbitMQ {self.rabbitmq}"]
        return ", ".join([f"Python {platform.python_version()}", *theirs, *ours])


def tell(runs: Sequence[Run], versions: Versions, points: int, tests: str) -> str:
    """Return the table with the lines around it. `points`: crash points killed; `tests`: pytest's summary."""
    died: Counter[tuple[str, str]] = sum((run.died for run in runs), Counter())
    asked: Counter[str] = sum((run.asked for run in runs), Counter())
    wrong = [run.seed for run in runs if run.wrong]
    kinds = sorted({kind for _, kind in died}, key=lambda kind: kind.split(" ", 1)[::-1])
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}; {versions}.",
        "",
        f"{len(runs)} seeds, {asked.total()} commands ("
        + ", ".join(f"{count} {name}" for name, count in asked.most_common())
        + f"), {died.total()} kills:",
        "",
        "| killed | " + " | ".join(kinds) + " | all |",
        "|---|" + "---:|" * (len(kinds) + 1),
    ]
    for part in sorted({part for part, _ in died}):
        counts = [died[part, kind] for kind in kinds]
        lines.append(f"| {part} | {' | '.join(map(str, counts))} | {sum(counts)} |")
    result = "the world was right after each" if not wrong else f"**wrong after {wrong}**"
    lines += ["", f"Result: {result}."]
    stopped = sum(run.stopped for run in runs)
    if stopped:
        lines.append(
            f"Stopped, for ten workers in a row died at the same command, and tried again by hand: {stopped}."
        )
    if tests:
        lines.append(
            f"Crash points: {points}, each killed once. The suite in its long form: {tests}."
        )
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Write the text between the page's marks. Raises ValueError if the marks are missing."""
    page = PAGE.read_text()
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{PAGE} has not the marks of the table")
    PAGE.write_text(before + start + text + end + after)
