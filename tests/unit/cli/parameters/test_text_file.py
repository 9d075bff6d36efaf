"""Tests of the text files that options name: UTF-8 is read, anything else is refused with what to do."""

import io
import sys
from pathlib import Path

import click
import pytest

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.text_file import LARGEST, TextFileType, text_file
from tests.unit.cli.tree import leaves, options

SECRET = "hunter2hunter2"


def a_file(folder: Path, content: bytes) -> str:
    path = folder / "it's.txt"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        f"{SECRET}\n".encode(),
        f"{SECRET}\r\nmore\r\n".encode(),
        f"\ufeff{SECRET}\r\n".encode(),
        f"\ufeff{SECRET}".encode(),
        f"{SECRET}\rmore".encode(),
    ],
)
def test_a_first_line_is_read_without_mark_and_line_end(tmp_path: Path, content: bytes) -> None:
    assert text_file(a_file(tmp_path, content), "--password-file").first_line() == SECRET


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        ("schlüssel\n".encode("latin-1"), "is not a text in UTF-8 (line 1)", "WINDOWS-1252"),
        (f"{SECRET}\n".encode("utf-16"), "is in UTF-16", "iconv -f UTF-16 -t UTF-8"),
        (f"{SECRET}\n".encode("utf-32"), "is in UTF-32", "iconv -f UTF-32"),
        (f"\ufeff{SECRET}\n".encode("utf-16-be"), "is in UTF-16", "iconv -f UTF-16"),
        (b"a\0b", "contains NUL", ""),
        (b"\n", "the first line is empty", ""),
        (b"", "the first line is empty", ""),
    ],
)
def test_another_encoding_is_refused_with_option_file_and_remedy(
    tmp_path: Path, content: bytes, said: str, hint: str
) -> None:
    name = a_file(tmp_path, content)

    with pytest.raises(Fault) as fault:
        text_file(name, "--password-file").first_line()

    assert fault.value.code == WRONG_USE
    assert fault.value.message.startswith("--password-file: ")
    assert said in fault.value.message
    assert hint in fault.value.hint
    assert SECRET not in fault.value.message


def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    for name, said in (
        (str(tmp_path), "it is a folder"),
        (str(tmp_path / "missing"), "there is no such file"),
        (a_file(tmp_path, b"x") + "/below", "a part of the path is a file"),
        (str(tmp_path / ("n" * 300)), "the name is too long"),
        ("/dev/zero", f"is larger than {LARGEST >> 20} MB"),
    ):
        with pytest.raises(Fault, match=said) as fault:
            text_file(name, "--file")
        assert fault.value.code == WRONG_USE


@pytest.mark.parametrize("content", [b"\xff\xfea\0", b"\xfc\n"])
def test_standard_input_is_read_by_the_same_rules(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    with pytest.raises(Fault, match="standard input is") as fault:
        text_file("-", "--file").text()

    assert fault.value.code == WRONG_USE


def test_a_line_of_standard_input_leaves_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("eins ü\r\nzwei\n".encode())))

    assert [text_file("-", "--file").first_line() for _ in range(2)] == ["eins ü", "zwei"]


def test_no_option_reads_a_file_in_another_way() -> None:
    others = [
        f"{path} {option.opts[0]}"
        for path, command in leaves().items()
        for option in options(command)
        if isinstance(option.type, click.File)
    ]
    readers = [
        option
        for command in leaves().values()
        for option in options(command)
        if isinstance(option.type, TextFileType)
    ]

    assert others == []
    assert readers
