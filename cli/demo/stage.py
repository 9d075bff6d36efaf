"""Where the demo plays: its folder and its screen, and commands typed as a person would."""

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

import requests
from rich.console import Console
from rich.markup import escape

from certline.cli import main as certline

CERTLINE = [sys.executable, "-P", "-m", "certline"]
# Seconds: a step that takes longer is a fault of the demo's machine or of ours.
PATIENCE = 45


class DemoFailedError(Exception):
    """A step did not do what it says."""


class Stage:
    """Where the demo plays: its folder, its environment, its screen."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.scm = f"http://127.0.0.1:{port}"
        self.screen = Console(highlight=False, soft_wrap=True)
        # This process's own environment: every command and part of the demo inherits it.
        for name in [name for name in os.environ if name.startswith("CERTLINE_")]:
            del os.environ[name]
        os.environ |= {"CERTLINE_HOME": str(home), "CERTLINE_POLL_SECONDS": "0.5"}

    def chapter(self, title: str) -> None:
        """Say what comes."""
        self.screen.print(f"\n[bold]{title}[/bold]")

    def tell(self, who: str, what: str) -> None:
        """One line of the story."""
        self.screen.print(f"  [cyan]{who:<8}[/cyan] {escape(what)}")

    def ask(self, *words: str, given: str = "", expect: int = 0) -> Any:
        """Type a command as a person would; answers its JSON. Raises DemoFailedError."""
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
        """Run a command in a process of its own; answers its exit code, output and messages.

        The process is forked from this one, which has loaded what the commands need: a second
        of loading for each of them would be most of the demo's time.
        """
        heard, messages = os.pipe()
        answer = self.home / "answer"
        process = get_context("fork").Process(
            target=_command, args=(words, given, answer, messages)
        )
        process.start()
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
        """Look through the simulator's control door: what SCM itself has seen."""
        return requests.get(f"{self.scm}/_sim/{path}", timeout=10).json()


def _command(words: list[str], given: str, answer: Path, messages: int) -> None:
    """One command, as `certline WORDS < given > answer` in a shell."""
    os.dup2(messages, 2)
    os.dup2(os.open(answer, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    sys.stdin = io.StringIO(given)
    certline.main(words)


@contextmanager
def running(stage: Stage, name: str, program: list[str]) -> Iterator[None]:
    """Run a part as a process of its own, with its log in the demo's folder; it must go on to the end."""
    stage.home.mkdir(parents=True, exist_ok=True)
    with (stage.home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own program
            program, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
        must(process.poll() is None, f"`{name}` went on to the end")
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def until_answers(url: str) -> None:
    """Wait until a server answers. Raises DemoFailedError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        if time.monotonic() > deadline:
            raise DemoFailedError(f"the simulator at {url} does not answer")
        time.sleep(0.1)


def must(fact: bool, what: str) -> None:
    """Raise DemoFailedError where something is not as it has to be."""
    if not fact:
        raise DemoFailedError(f"not so: {what}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
