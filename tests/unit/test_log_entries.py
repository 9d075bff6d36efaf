"""Tests that docs/logs.md has every entry of the logs with its level, and that each entry has an id to follow."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logs.md"
ROLES = ("models", "workers", "producers", "board")
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}
# Fields by which an entry can be followed.
IDS = {
    *("command", "order", "letter", "schedule", "run", "batch", "event_id", "scm", "file", "head"),
    *("message", "extra", "account", "host", "records", "path"),
}
# Entries about a whole process: its part, host and process id are in each of them.
OF_PROCESS = re.compile(
    r".*\.(started|stopped|stopping|waits|listens)|relay\.(new_broker|not_woken)|retention\.deleted|figures\..*|audit\.broken|health\..*"
    r"|heartbeat\.missed|secret_key\.withdrawn|recovery\..*|witness\..*|tracing\..*|metrics\..*|notices\.not_told"
)
# Where a step runs: it binds the command's id (tests/integration/workers/runtime/test_step_logs.py).
OF_STEPS = ("workers/runtime", "workers/ordering", "workers/steps", "workers/importing")


class Entry(NamedTuple):
    """A call that logs: its event, its levels, its fields and where it is."""

    event: str
    levels: frozenset[str]
    fields: frozenset[str]
    place: str


def entries() -> list[Entry]:
    """Return every call of `log.LEVEL("event", …)`, and of `say`, which is one of two levels."""
    found = []
    for role in ROLES:
        for file in sorted((ROOT / role).rglob("*.py")):
            for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    found += entries_of(function, str(file.relative_to(ROOT)))
    return found


def entries_of(function: ast.FunctionDef | ast.AsyncFunctionDef, place: str) -> list[Entry]:
    said: dict[int, frozenset[str]] = {}
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
            both = (node.value.body, node.value.orelse)
            names = {each.attr for each in both if isinstance(each, ast.Attribute)}
            said[node.lineno] = frozenset(names & LEVELS.keys())
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id="log"), attr=attr) if attr in LEVELS:
                levels = frozenset({LEVELS[attr]})
            case ast.Name(id="say"):
                levels = said[max(line for line in said if line < node.lineno)]
            case _:
                continue
        event = node.args[0]
        assert isinstance(event, ast.Constant), f"{place}:{node.lineno}: not a constant"
        assert isinstance(event.value, str)
        fields = frozenset(word.arg or "**" for word in node.keywords)
        found.append(Entry(event.value, levels, fields, f"{place}:{node.lineno}"))
    return found


def documented() -> dict[str, frozenset[str]]:
    """Return the levels of each entry in the tables of the page."""
    rows = re.findall(r"^\| (`.*?`) \| ([a-z ]+) \|", PAGE.read_text(), re.MULTILINE)
    return {
        name: frozenset(levels.split(" or "))
        for names, levels in rows
        for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", names)
    }


def test_every_entry_is_documented_with_its_levels() -> None:
    written: dict[str, set[str]] = defaultdict(set)
    for entry in entries():
        written[entry.event] |= entry.levels

    assert {event: frozenset(levels) for event, levels in written.items()} == documented()


def test_every_entry_that_needs_a_person_says_what_to_do() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| error.*?\|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    told = {event for event, cells in rows if len(cells.split(" | ")) == 2}

    assert {entry.event for entry in entries() if "error" in entry.levels} == told


def test_every_entry_has_an_id_to_follow_or_is_about_its_process() -> None:
    without = [
        entry
        for entry in entries()
        if not entry.place.startswith(OF_STEPS)
        and not entry.fields & IDS
        and not OF_PROCESS.fullmatch(entry.event)
    ]

    assert without == []
