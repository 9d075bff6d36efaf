"""Any value in any option or argument of any command: a sentence and an exit code, never an internal error."""

import io
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click
import pytest

from certline.cli.main import main
from certline.models.settings import settings
from tests.integration.cli.conftest import Typist
from tests.integration.cli.full_line import full_line, usual_words
from tests.integration.cli.mistakes.nasty import texts_for
from tests.unit.cli.tree import leaves

pytestmark = pytest.mark.slow

SHARDS = 4


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_value_in_any_option_ends_in_an_internal_error(
    shard: int,
    typist: Typist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = full_line(typist.database, typist.vault)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    # No broker: the parts that run until they are stopped do not start.
    monkeypatch.delenv("CERTLINE_RABBITMQ_URL", raising=False)
    settings.cache_clear()
    faults = []
    for number, words in enumerate(islice(_lines(names, tmp_path), shard, None, SHARDS)):
        monkeypatch.setattr(sys, "stdin", io.StringIO("hunter2hunter2\n"))
        as_json = ["--json"] if number % 2 else []
        fault = _fault_of([*as_json, *words], capsys)
        if fault:
            faults.append(f"{[word[:60] for word in words]}: {fault}")

    assert not faults, "\n".join(faults)


def _lines(names: dict[str, str], folder: Path) -> Iterator[list[str]]:
    """Yield command lines: every command, with each value in each place."""
    for path, command in leaves().items():
        usual = usual_words(path, command, names)
        for param in command.params:
            if isinstance(param, click.Option) and param.is_flag:
                continue
            for value in texts_for(param, folder):
                yield [*path.split()[1:], *_with(usual, param, value)]


def _with(usual: list[str], param: click.Parameter, value: str) -> list[str]:
    """Return the usual words with a value in one place, where another may have been."""
    if isinstance(param, click.Argument):
        # Arguments come first in the usual words, unless the command has several.
        return [*usual[1:], "--", value]
    if param.opts[-1] in usual:
        at = usual.index(param.opts[-1])
        usual = [*usual[:at], *usual[at + 2 :]]
    # As one word, because a value that begins with a hyphen would be taken for an option.
    return [*usual, f"{param.opts[-1]}={value}"]


def _fault_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command. Returns what is wrong with its end, or an empty text."""
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = _read(capsys)
    said = f"{end.value.code}: {out[-300:]}{err[-300:]}"
    if end.value.code not in range(7):
        return said
    if "internal error" in out + err or "Traceback" in out + err:
        return said
    if "--json" in words and out and not _is_json(out):
        return f"not one JSON document: {said}"
    return ""


def _read(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    try:
        return capsys.readouterr()
    except UnicodeDecodeError:  # a keystore or a certificate in DER, on standard output
        sys.stdout.seek(0)
        sys.stdout.truncate()
        return "", capsys.readouterr().err


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
