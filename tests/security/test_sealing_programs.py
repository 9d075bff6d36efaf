"""Tests of the programs in docs/sealing.md: who seals in another language needs no secret."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Typist, a_typist
from tests.security.sealed_texts import PASSWORD, pem_of, refused, taken
from tests.servers.discovery import this_machine
from tests.servers.runtimes import JAVA, JAVASCRIPT, PYTHON, Runtime, is_fault

PAGE = Path(__file__).parents[2] / "docs" / "sealing.md"


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    yield from a_typist(database_url, monkeypatch, capsys)


OPENSSL = Runtime("shell", ("sh", "seal.sh"), programs=("openssl",), packages=("openssl",))
PROGRAMS: dict[str, tuple[Runtime, str, list[str]]] = {
    "python": (PYTHON, "seal.py", [sys.executable, "seal.py"]),
    "javascript": (JAVASCRIPT, "seal.js", ["node", "seal.js"]),
    "java": (JAVA, "Seal.java", ["java", "Seal.java"]),
    "sh": (OPENSSL, "seal.sh", ["sh", "seal.sh"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_of_the_page_seals_without_any_secret(
    language: str, typist: Typist, tmp_path: Path
) -> None:
    runtime, name, words = PROGRAMS[language]
    needed = [words[0], *(["openssl"] if language == "sh" else [])]
    lacks = [each for each in needed if shutil.which(each) is None]
    if lacks:
        give_up = pytest.fail if is_fault(runtime, this_machine()) else pytest.skip
        give_up(f"the example in {runtime.language} is not run: it needs {', '.join(lacks)}")
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / name).write_text(blocks[-1], "utf-8")
    (tmp_path / "sealing.pem").write_bytes(pem_of(typist))

    done = subprocess.run(
        words,
        cwd=tmp_path,
        input=f"{PASSWORD}\nnot this line\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert taken(typist, done.stdout.strip(), "shop") == PASSWORD
    refused(typist, done.stdout.strip(), "bank")


def test_every_program_of_the_page_is_run() -> None:
    languages = re.findall(r"^```(\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)

    # The first two of the shell are calls of certline, which `tests/unit/cli` checks.
    assert sorted(set(languages)) == sorted(PROGRAMS)
    assert languages.count("sh") == 3
