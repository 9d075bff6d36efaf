"""Tests of rules for every command: help, `--json`, exit codes, and a quick start."""

import json
import subprocess
import sys

import click
import pytest

from certline.cli.main import GROUPS, PLACES, certline, main
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
    assert "certline: 3 options are missing: --organization, --profile, --term" in err
    assert "--term DAYS: Lifetime in days." in err
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


def test_every_command_is_in_one_group_of_the_help_page() -> None:
    grouped = [name for names in GROUPS.values() for name in names]

    assert sorted(grouped) == sorted(PLACES)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize(("path", "command"), commands().items(), ids=commands())
def test_a_help_page_cuts_no_option_and_no_choice(
    path: str,
    command: click.Command,
    width: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    _, out, _ = run(*path.split()[1:], "--help", capsys=capsys)

    assert "-…" not in out
    assert all(len(line) <= width for line in out.splitlines())
    words = set(out.replace("|", " ").replace("[", " ").replace("]", " ").split())
    for option in options(command):
        assert set(option.opts) <= words, option.opts
        if isinstance(option.type, click.Choice) and option.metavar is None:
            assert set(option.type.choices) <= words, option.opts


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["orders"], "`certline order`"),
        (["certificates", "list"], "`certline certificate`"),
        (["licence"], "`certline license`"),
        (["order", "crate"], "`certline order create`"),
        (["certificate", "ls"], "`certline certificate list`"),
        (["renew"], "`certline certificate renew`"),
        (["export"], "`certline certificate export`"),
        (["zzz"], None),
    ],
)
def test_a_mistyped_command_is_told_with_what_may_be_meant(
    words: list[str], meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(*words, capsys=capsys)

    assert code == 2
    assert "there is no command" in err
    assert ("did you mean" in err) == (meant is not None)
    assert meant is None or meant in err


def test_a_mistyped_option_is_told_with_what_may_be_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, err = run("order", "create", "--organisation", "7", capsys=capsys)

    assert "'--organization'" in err


def test_all_that_is_missing_is_said_at_once_to_programs_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run("order", "create", "--json", capsys=capsys)

    error = json.loads(out)["error"]
    assert [problem.split()[0] for problem in error["problems"]] == [
        "--common-name",
        "--organization",
        "--profile",
        "--term",
    ]


def test_a_missing_argument_is_said_beside_missing_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, err = run("certificate", "reissue", capsys=capsys)

    assert "certline: 2 values are missing: CERT, --reason" in err
