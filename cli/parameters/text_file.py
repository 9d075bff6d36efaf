"""Text files that options name: one reader, which takes UTF-8 and says what to do about everything else."""

import codecs
import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.explain import path_fault

# Bytes: a list of a hundred thousand names is smaller.
LARGEST = 16 * 2**20
# UTF-32's marks first, since one of them begins with one of UTF-16's.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True)
class TextFile:
    """A text file that an option names, already read; standard input (`-`) is read when its text is wanted."""

    name: str
    option: str
    content: bytes | None = field(default=None, repr=False)

    def text(self) -> str:
        """Return the whole text, with the line ends of Unix. Raises Fault."""
        content = _standard_input() if self.content is None else self.content
        return text_of(content, self.name, self.option)

    def first_line(self) -> str:
        """Return the first line without its line end. Raises Fault if it is empty."""
        from certline.models.csr.private_key import holds_private_key

        content = _standard_input(one_line=True) if self.content is None else self.content
        line = text_of(content, self.name, self.option).partition("\n")[0]
        if not line:
            raise Fault(f"{self.option}: the first line is empty", code=WRONG_USE)
        if holds_private_key(line):
            raise Fault(f"{self.option}: this is a private key, not a password", code=WRONG_USE)
        return line

    def lines(self) -> list[str]:
        """Return the lines without their line ends. Raises Fault."""
        return self.text().split("\n")


class TextFileType(click.ParamType[TextFile]):
    """An option type: the name of a text file, or `-` for standard input."""

    name = "filename"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002  # click's
    ) -> TextFile:
        """Return the file, read. Raises Fault if it cannot be read."""
        if isinstance(value, TextFile):
            return value
        option = param.opts[0] if param is not None else "FILE"
        return text_file(str(value), option)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's
        param: click.Parameter,  # noqa: ARG002  # click's
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the marker with which the shell completes file names."""
        return [CompletionItem(incomplete, type="file")]


def text_file(name: str, option: str) -> TextFile:
    """Return the file of that name, read (`-`: standard input, not yet read). Raises Fault."""
    return TextFile(name, option, None if name == "-" else _content(name, option))


def read_bytes(path: Path, option: str) -> bytes:
    """Return the content of a file, or of standard input for `-`. Raises Fault."""
    return _standard_input() if str(path) == "-" else _content(str(path), option)


def text_of(content: bytes, name: str, option: str) -> str:
    """Return the text of a file in UTF-8, without a byte-order mark, with the line ends of Unix. Raises Fault."""
    source = "standard input" if name == "-" else name
    own = shlex.quote("FILE" if name == "-" else os.fsencode(name).decode("utf-8", "replace"))
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise Fault(
                f"{option}: {source} is in {encoding}, not in UTF-8",
                code=WRONG_USE,
                hint=f"Save it as UTF-8, or: iconv -f {encoding} -t UTF-8 {own} > utf-8.txt",
            )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise Fault(
            f"{option}: {source} is not a text in UTF-8 (line {line})",
            code=WRONG_USE,
            hint="Save it as UTF-8; if it was written on Windows or in Latin-1: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {own} > utf-8.txt",
        ) from None
    if "\0" in text:
        raise Fault(f"{option}: {source} is not a text: it contains NUL", code=WRONG_USE)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _content(name: str, option: str) -> bytes:
    try:
        with open(name, "rb") as file:  # noqa: PTH123  # a path with NUL, which Path refuses elsewhere
            content = file.read(LARGEST + 1)
    except OSError as error:
        fault = path_fault(error, name, code=WRONG_USE)
        raise Fault(f"{option}: {fault.message}", code=WRONG_USE) from None
    except ValueError:
        raise Fault(f"{option}: a file's name cannot contain NUL", code=WRONG_USE) from None
    if len(content) > LARGEST:
        raise Fault(f"{option}: {name} is larger than {LARGEST >> 20} MB", code=WRONG_USE)
    return content


def _standard_input(*, one_line: bool = False) -> bytes:
    raw = getattr(sys.stdin, "buffer", None)
    try:
        if raw is None:  # a text in memory, as the demo gives it
            text = sys.stdin.readline() if one_line else sys.stdin.read()
            return text.encode("utf-8", "surrogateescape")
        content: bytes = raw.readline(LARGEST + 1) if one_line else raw.read(LARGEST + 1)
    except OSError as error:
        raise Fault(f"standard input cannot be read: {error.strerror}", code=WRONG_USE) from None
    if len(content) > LARGEST:
        raise Fault(f"standard input is larger than {LARGEST >> 20} MB", code=WRONG_USE)
    return content
