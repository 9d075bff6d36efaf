"""Tests that help pages, and the table of the root's commands, load neither tables nor servers' clients."""

import subprocess
import sys

from tests.support.loaded import HEAVY, heavy_ones, loaded_by

# Renders every help page in one process, and names the page after which a module of ours or of others is there.
EVERY_PAGE = """
import contextlib, io, sys
import click
from certline.cli.main import certline, main

def show(command, path, unwanted):
    with contextlib.redirect_stdout(io.StringIO()) as page, contextlib.suppress(SystemExit):
        main([*path, "--help"])
    assert "Usage: certline" in page.getvalue(), path
    for name in sorted(unwanted & set(sys.modules)):
        print(*path, name)
    count = 1
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            load = getattr(command, "load", None) or command.commands.get
            count += show(load(name), [*path, name], unwanted)
    return count

print(show(certline, [], set(sys.argv[1:])), "pages")
"""
# Those that lay the pages out are theirs.
OF_PAGES = {"rich", "rich_click"}


def test_no_help_page_loads_what_only_a_running_command_needs() -> None:
    unwanted = {"sqlalchemy", "psycopg", "asyncio", *HEAVY} - OF_PAGES

    done = subprocess.run(
        [sys.executable, "-c", EVERY_PAGE, *unwanted], capture_output=True, text=True, check=True
    )

    *heavy, pages = done.stdout.splitlines()
    assert heavy == []
    assert int(pages.split()[0]) > 100


def test_the_version_is_told_without_anything_heavy() -> None:
    names = loaded_by("--version")

    assert heavy_ones(names) == []
    assert not names & {"sqlalchemy", "psycopg", "asyncio"}
