"""Tests of the layout: small packages, module names of the field, and one owner for each class name."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROLES = ("board", "cli", "models", "producers", "simulator", "workers")
MOST_MODULES = 15
# Nouns of the field, although they end like participles.
NOUNS = {"listing", "pacing", "timing"}


def modules() -> list[Path]:
    """Return every product module but the migrations, relative to the repository."""
    return [
        file.relative_to(ROOT)
        for role in ROLES
        for file in sorted((ROOT / role).rglob("*.py"))
        if "versions" not in file.parts
    ]


def crowded(files: list[Path]) -> list[str]:
    """Return the packages with more modules than allowed, with their number."""
    rooms: dict[Path, int] = defaultdict(int)
    for file in files:
        rooms[file.parent] += file.name != "__init__.py"
    return [f"{room}: {count}" for room, count in rooms.items() if count > MOST_MODULES]


def participles(files: list[Path]) -> list[str]:
    """Return the modules that are named by a bare participle, such as `placing` or `placed`."""
    return [
        str(file)
        for file in files
        if file.stem.endswith(("ing", "ed")) and "_" not in file.stem and file.stem not in NOUNS
    ]


def test_no_room_holds_too_many_modules() -> None:
    assert crowded(modules()) == []


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_no_room_of_tests_holds_too_many(kind: str) -> None:
    assert crowded(list((ROOT / "tests" / kind).rglob("test_*.py"))) == []


def test_no_module_is_named_by_a_participle() -> None:
    assert participles(modules()) == []


def test_each_room_says_what_it_holds() -> None:
    rooms = {file.parent for file in modules() if file.parts[1] != "migrations"}
    silent = [
        str(room)
        for room in rooms
        if not ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
    ]

    assert silent == []


def test_each_class_name_has_one_owner() -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for file in modules():
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                owners[node.name].append(f"{file}:{node.lineno}")

    assert {name: places for name, places in owners.items() if len(places) > 1} == {}


@pytest.mark.parametrize("name", ["placing", "stored"])
def test_a_participle_is_found(name: str) -> None:
    assert participles([Path("workers") / f"{name}.py"]) == [f"workers/{name}.py"]


def test_a_crowded_room_is_found() -> None:
    files = [Path("workers/steps") / f"step_{number}.py" for number in range(MOST_MODULES + 1)]

    assert crowded(files) == ["workers/steps: 16"]
