"""Tests that modules and functions named in strings exist, as mypy checks none of them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.faults.crashes import effect_scan, runner
from tests.faults.random import kills

ROOT = Path(__file__).parents[2]
ROLES = "board|cli|producers|workers|models|simulator"
FOLDERS = (*ROLES.split("|"), "tests", "benchmarks", "tools")
# `certline.workers.app:worker_app`, `certline.cli.main`; an effect has no package in front:
# `workers.sending:_call call enroll`.
DOTTED = re.compile(rf"((?:certline\.)?(?:{ROLES})(?:\.\w+)+)(?::([\w.]+))?(?: [\w ]+)?")
# Names of examples, in tests of the scans themselves.
EXAMPLES = {"workers.settling"}


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file, parsed once for all tests."""
    return ast.parse(file.read_text(encoding="utf-8"))


def dotted_strings() -> Iterator[tuple[str, str, str | None]]:
    """Yield every string of our Python that names a module of ours: (location, module, qualified name)."""
    for file in (file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))):
        if file == Path(__file__):
            continue
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                match = DOTTED.fullmatch(node.value)
                if match and match[1] not in EXAMPLES and not node.value.endswith((".md", ".js")):
                    yield (
                        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value}",
                        match[1],
                        match[2],
                    )


def exists(dotted: str, qualified: str | None) -> bool:
    """Check whether a module has that function or class, or a dotted name is one or an attribute of one."""
    if qualified is not None:
        return qualified in definitions(dotted)
    head, _, last = dotted.rpartition(".")
    return (
        is_module(dotted)
        or last in definitions(head)
        or (is_module(head.rpartition(".")[0]) and exists_in_attribute(head))
    )


def exists_in_attribute(dotted: str) -> bool:
    """Check whether it names something that a module imports, such as `workers.webhooks.name_lookup.socket`."""
    module, _, attribute = dotted.rpartition(".")
    return attribute in definitions(module)


def is_module(dotted: str) -> bool:
    """Check whether a file or a folder has that name."""
    path = ROOT.joinpath(*dotted.removeprefix("certline.").split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def definitions(dotted: str) -> frozenset[str]:
    """Return every name that a module defines or imports, nested ones as `outer.inner`; empty without a module."""
    path = ROOT.joinpath(*dotted.removeprefix("certline.").split("."))
    file = path.with_suffix(".py")
    if not file.is_file():
        file = path / "__init__.py"
    if not file.is_file():
        return frozenset()
    return frozenset(_names(parsed(file), ""))


def _names(node: ast.AST, outer: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        inner = outer
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            inner = f"{outer}.{child.name}".lstrip(".")
            yield inner
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield f"{outer}.{child.id}".lstrip(".")
        elif isinstance(child, ast.alias):
            yield (child.asname or child.name).partition(".")[0]
        yield from _names(child, inner)


def test_each_name_in_a_string_exists() -> None:
    missing = [where for where, module, name in dotted_strings() if not exists(module, name)]

    assert missing == []


def test_each_name_that_is_imported_has_the_package_in_front() -> None:
    bare = [
        where
        for where, module, name in dotted_strings()
        if not module.startswith("certline.")
        and (name is None or " " not in where.rpartition(": ")[2])
        and where.rpartition(": ")[2] not in effect_scan.WAYS
    ]

    assert bare == []


def test_no_module_name_is_put_together_from_pieces() -> None:
    pieces = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in ROLES.split("|")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant)
        if re.fullmatch(rf"(certline\.)?({ROLES})\.[\w.]*", str(node.values[0].value))
    ]

    assert pieces == []


def test_the_scan_finds_names() -> None:
    assert len(list(dotted_strings())) > 150


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("certline.workers.nowhere", None),
        ("certline.workers.ordering.submission", "nothing"),
        ("certline.workers.runtime.context", "WorkerContext.nothing"),
        ("certline.workers.ordering.submission.nothing", None),
    ],
)
def test_a_name_that_does_not_exist_is_found(module: str, name: str | None) -> None:
    assert not exists(module, name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("certline.workers.ordering.submission", None),
        ("certline.workers.runtime.context", "WorkerContext.store"),
        ("certline.workers.runtime.context", "WorkerContext._open_door.probe"),
        ("certline.workers.scm.api.pagination.MOST_PAGES", None),
        ("certline.workers.webhooks.name_lookup.socket.getaddrinfo", None),
    ],
)
def test_a_name_that_exists_is_known(module: str, name: str | None) -> None:
    assert exists(module, name)


def test_an_effect_that_only_reads_is_an_effect() -> None:
    assert {effect.name for effect in effect_scan.effects()} >= runner.READING


def test_each_effect_that_a_test_names_exists() -> None:
    known = {effect.name for effect in effect_scan.effects()}
    named = {
        node.value
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (match := DOTTED.fullmatch(node.value)) and match[1] not in EXAMPLES
        if match[2] and " " in node.value
    }

    assert len(named) > 100
    assert {name.removesuffix(" before").removesuffix(" after") for name in named} <= known


def test_the_scan_for_effects_looks_into_folders_that_exist() -> None:
    assert all((ROOT / folder).is_dir() for folder in (*effect_scan.ROOMS, *effect_scan.INSIDE))
    assert all(exists(*way.split(":")) for way in effect_scan.WAYS)


def test_each_module_of_the_table_of_parts_exists() -> None:
    assert all(is_module(f"certline.producers.{name}") for name in kills.PARTS)


@pytest.mark.parametrize("file", ["Makefile", "pyproject.toml", "compose.yaml", "Dockerfile"])
def test_each_path_and_module_in_the_build_files_exists(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    modules = re.findall(r"-m ((?:certline|tools|tests|benchmarks)(?:\.\w+)*)", text)
    modules += re.findall(r'"(certline(?:\.\w+)+)(?:\.\*)?(?::\w+)?"', text)
    paths = re.findall(rf"\b((?:{ROLES})/[\w/]+(?:\.py)?)", text)

    assert [name for name in modules if not is_module(name)] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "page",
    [
        *(each.relative_to(ROOT).as_posix() for each in sorted((ROOT / "docs").rglob("*.md"))),
        *("README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"),
    ],
)
def test_each_file_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(
        rf"`((?:{ROLES}|tests|tools|benchmarks|deploy|docs|examples)/[\w/.]*)`", text
    )

    assert [path for path in paths if not (ROOT / path).exists()] == []
