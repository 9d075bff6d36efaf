"""Tests of the documentation: commands, settings and links named on its pages exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from certline.models.settings import VARIABLES
from tests.unit.cli.tree import commands, found, words_of

ROOT = Path(__file__).parents[4]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
# Read elsewhere than in the settings: by the CLI's errors and by the tests' servers.
OTHER_VARIABLES = {
    "CERTLINE_TEST_LAST_RELEASE",
    "CERTLINE_DEBUG",
    "CERTLINE_TEST_DATABASE_URL",
    "CERTLINE_TEST_RABBITMQ_URL",
}
# Misspelt on purpose, as an example.
MISSPELT = {"CERTLINE_SETLE_SECONDS"}
# Variables set for a deploy hook's command.
HOOK_VARIABLES = set(
    re.findall(r'"(CERTLINE_\w+)"', (ROOT / "workers" / "deploying" / "files.py").read_text())
)
# Variables set for a program that writes records.
DNS_VARIABLES = set(
    re.findall(r'"(CERTLINE_\w+)"', (ROOT / "workers" / "dns" / "program.py").read_text())
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[str]:
    """Yield the lines of a page that a user would paste into a shell, without their comments."""
    for language, block in BLOCK.findall(page.read_text()):
        if language in ("sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield re.sub(r"(^|\s)#.*", "", line).strip()


def spans(page: Path) -> list[str]:
    """Return the inline code of a page."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text()))


def typed_lines() -> list[str]:
    return [line for page in PAGES for line in blocks(page) if words_of(line)]


def mentions() -> list[str]:
    return [span for page in PAGES for span in spans(page) if words_of(span)]


def test_there_are_pages_to_look_at() -> None:
    assert len(typed_lines()) > 15
    assert len(mentions()) > 40


@pytest.mark.parametrize("line", sorted(set(typed_lines())))
def test_a_command_to_type_is_taken_with_all_its_options(line: str) -> None:
    words = words_of(line)
    assert words is not None
    path, rest = found(words)
    command = commands()[path]

    is_whole = not isinstance(command, click.Group) or command.invoke_without_command
    assert is_whole, f"{line!r}: {path} is not a whole command"
    with command.make_context(path, rest):  # parses the options and runs nothing
        pass


@pytest.mark.parametrize("span", sorted(set(mentions())))
def test_a_command_that_is_mentioned_is_there_with_its_options(span: str) -> None:
    words = words_of(span)
    assert words is not None
    path, rest = found(words)
    command = commands()[path]

    known = {name for option in command.params for name in option.opts}
    assert {word for word in rest if word.startswith("-") and word != "-"} <= known
    if isinstance(command, click.Group) and not command.invoke_without_command:
        assert all(word in ("…", "...") for word in rest), f"{path} has no {rest[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def test_every_target_of_make_that_a_page_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    for page in PAGES:
        for line in [*blocks(page), *spans(page)]:
            if (named := re.match(r"make ([a-z-]+)", line)) is not None:
                assert named[1] in targets, f"{page.name}: {line}"


def test_the_page_of_settings_names_every_variable_and_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]

    named = set(re.findall(r"`(CERTLINE_\w+)`", "".join(rows)))

    assert named == {f"CERTLINE_{name.upper()}" for name in VARIABLES}


def test_the_page_of_hooks_names_every_variable_that_a_command_has() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]

    assert set(re.findall(r"`(CERTLINE_\w+)`", "".join(rows))) == HOOK_VARIABLES


def test_the_page_of_domains_names_every_variable_that_a_program_has() -> None:
    page = (ROOT / "docs" / "domains.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `CERTLINE")]

    assert set(re.findall(r"`(CERTLINE_\w+)`", "".join(rows))) == DNS_VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_variable_that_a_page_names_is_read_by_somebody(page: Path) -> None:
    known = {f"CERTLINE_{name.upper()}" for name in VARIABLES} | OTHER_VARIABLES
    if page.name == "settings.md":
        known |= MISSPELT
    if page.name == "hooks.md":
        known |= HOOK_VARIABLES
    if page.name == "domains.md":
        known |= DNS_VARIABLES

    assert set(re.findall(r"\bCERTLINE_[A-Z_]*[A-Z]\b", page.read_text())) <= known
