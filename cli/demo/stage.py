"""The environment of the demo: its directory, its screen, and commands run as a user would type them."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from certline.cli import main

CERTLINE = [sys.executable, "-P", "-m", "certline"]
# Seconds for one step; a step that takes longer counts as failed.
PATIENCE = 45


class DemoFailedError(Exception):
    """A step of the demo did not do what it says."""


class Stage:
    """The demo's directory, environment and screen."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.scm = f"http://127.0.0.1:{port}"
        self.screen = Console(highlight=False, soft_wrap=True)
        # Changed in this process's own environment, which every command and part of the demo inherits.
        for name in [name for name in os.environ if name.startswith("CERTLINE_")]:
            del os.environ[name]
        os.environ |= {"CERTLINE_HOME": str(home), "CERTLINE_POLL_SECONDS": "0.5"}

    def chapter(self, title: str) -> None:
        """Print the title of the next chapter."""
        self.screen.print(f"\n[bold]{title}[/bold]")

    def tell(self, who: str, what: str) -> None:
        """Print one line of the story."""
        self.screen.print(f"  [cyan]{who:<8}[/cyan] {escape(what)}")

    def ask(self, *words: str, given: str = "", expect: int = 0) -> Any:
        """Run a command as a user would type it, and return its JSON. Raises DemoFailedError."""
        shown = " ".join(f'"{word}"' if " " in word else word for word in words)
        self.screen.print(f"  [dim]$ certline {shown}[/dim]")
        code, printed, said = self._type(["--json", *words], given)
        if code != expect:
            told = (printed + said).strip()
            raise DemoFailedError(
                f"`certline {shown}` ended with {code} instead of {expect}:\n{told}"
            )
        return json.loads(printed) if printed.strip() else None

    def _type(self, words: list[str], given: str) -> tuple[int, str, str]:
        """Run a command in a process of its own, and return its exit code, output and messages.

        The process is forked from this one, which has already imported what the commands need: a second of
        imports per command would be most of the demo's time.
        """
        heard, messages = os.pipe()
        answer = self.home / "answer"
        process = get_context("fork").Process(
            target=_command, args=(words, given, answer, messages)
        )
        process.start()
        # Close our copy of the writing end, or the loop below would never see the end of the pipe.
        os.close(messages)
        said = ""
        with open(heard) as lines:  # noqa: PTH123  # a file descriptor
            for line in lines:
                said += line
                self.screen.print(f"    [dim]{escape(line.rstrip())}[/dim]")
        process.join()
        printed = answer.read_text()
        answer.unlink()  # it may hold a password
        return process.exitcode or 0, printed, said

    def door(self, path: str) -> Any:
        """Return what the simulator itself has seen, read through its control door."""
        import requests

        return requests.get(f"{self.scm}/_sim/{path}", timeout=10).json()


def _command(words: list[str], given: str, answer: Path, messages: int) -> None:
    """Run one command, as `certline WORDS < given > answer` in a shell would."""
    # The shell's redirections, on the process's own file descriptors: forked, it is safe to change
    # them.
    os.dup2(messages, 2)
    os.dup2(os.open(answer, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    # Python's own streams know what their descriptors were before, such as a file that could be sought in.
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    sys.stdin = io.StringIO(given)
    main.main(words)


@contextmanager
def running(stage: Stage, name: str, program: list[str]) -> Iterator[None]:
    """Run a part as a process of its own, with its log in the demo's directory.

    Raises DemoFailedError if it has ended before the block does.
    """
    stage.home.mkdir(parents=True, exist_ok=True)
    with (stage.home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own program
            program, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
        must(process.poll() is None, f"`{name}` kept running to the end")
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def until_answers(url: str) -> None:
    """Wait until a server responds. Raises DemoFailedError after PATIENCE seconds."""
    import requests

    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        if time.monotonic() > deadline:
            raise DemoFailedError(f"the simulator at {url} does not answer")
        time.sleep(0.1)


def must(fact: bool, what: str) -> None:
    """Raise DemoFailedError if an expectation is not met."""
    if not fact:
        raise DemoFailedError(f"expected, but not so: {what}")


def free_port() -> int:
    """Return a port on which nothing is listening now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
