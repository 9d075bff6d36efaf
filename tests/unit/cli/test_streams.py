"""Tests of the standard streams: output that a terminal cannot show is replaced, and nothing dies of it."""

import io
import json
import subprocess
import sys

import pytest

from certline.cli import report, streams
from certline.cli.errors import Fault
from certline.cli.ui.output import json_text

TEXT = "a \u2192 b \u00b7 \u2588\u2591 \u201cq\u201d \U0001f512 \udcff"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", b'a -> b - ## "q" ? ?'),
        ("latin-1", b'a -> b \xb7 ## "q" ? ?'),
        ("cp1252", b"a -> b \xb7 ## \x93q\x94 ? ?"),
    ],
)
def test_what_a_terminal_cannot_show_is_shown_in_ascii(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: bytes
) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding=encoding))

    streams.prepare()
    sys.stdout.write(TEXT)
    streams.finish()

    assert screen.getvalue() == shown


def test_json_for_an_ascii_terminal_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))

    text = json_text({"name": "Größe"})

    assert text.isascii()
    assert json.loads(text) == {"name": "Größe"}


def test_an_error_shows_control_characters_and_cuts_what_is_endless(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.tell(Fault(f"\x1b[2J {'x' * 100_000}"), as_json=False)

    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "(100005 characters)" in err
    assert len(err) < 3_000


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full"])
def test_closed_and_full_outputs_end_without_a_traceback(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m certline --help {closed}', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == (1 if "full" in closed else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
