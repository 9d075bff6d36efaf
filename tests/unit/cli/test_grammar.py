"""Tests of rules for every command: help, `--json`, exit codes, and a quick start."""

import json
import subprocess
import sys

import click
import pytest

from certline.cli.main import PLACES, certline, main
from tests.unit.cli.tree import commands, leaves, options

# These import everything that a broker, a database or a server needs.
SLOW = ("sqlalchemy", "dramatiq", "cryptography", "requests", "uvicorn", "pydantic")


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command in this process. Returns exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    captured = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, captured.out, captured.err


@pytest.mark.parametrize(("path", "command"), commands().items(), ids=commands())
def test_every_command_and_every_option_has_help(path: str, command: click.Command) -> None:
    assert command.help, path
    for option in options(command):
        assert option.help, f"{path} {option.opts[0]}"


@pytest.mark.parametrize("name", PLACES)
def test_the_summary_that_stands_for_a_command_is_its_own(name: str) -> None:
    own = certline.load(name).get_short_help_str(limit=200)

    assert PLACES[name][1].removesuffix(".") == own.removesuffix(".")


@pytest.mark.parametrize("path", leaves())
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(
    path: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(*path.split()[1:], flag, capsys=capsys)

    assert code == 0
    assert path in out
    assert "--json" in out


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "order", "create"],
        ["order", "--json", "create"],
        ["order", "create", "--json"],
        ["--json", "order"],
        ["--json", "nothing"],
        ["order", "list", "--status", "lost", "--json"],
    ],
)
def test_wrong_use_is_one_json_document_wherever_the_flag_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(*words, capsys=capsys)

    error = json.loads(out)["error"]
    assert code == 2
    assert error["exit_code"] == 2
    assert error["message"]


def test_wrong_use_is_a_sentence_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("order", "create", "--common-name", "www.example.org", capsys=capsys)

    assert (code, out) == (2, "")
    assert "certline: Missing option '--organization'" in err
    assert "Help:  certline order create --help" in err


def test_the_list_of_commands_loads_no_heavy_part() -> None:
    script = "import sys, cli.main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded.intersection(SLOW)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_is_taught_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("completion", shell, capsys=capsys)

    assert code == 0
    assert "_CERTLINE_COMPLETE" in out
