"""Tests that a suggested command can be pasted into a shell: names with blanks are quoted."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PARTS = ("cli", "models", "producers", "workers")
# Ids are letters, digits and hyphens; so are the words of a plan, of a format, of a part and of a key.
SAFE = re.compile(
    r"(\w+\.)*(\w*_?id|ids|_open\[0\]|off\[0\]|path|format_hint|capacity|part|algorithm|size|home)"
    r"|.*\bquote\(.*\)|names\[.*|names\.replace\(.*|type\(error\)\.__name__"
)


def _inserted(path: Path) -> Iterator[str]:
    """Yield the expressions that an f-string inserts into a command line of certline."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                if re.search(r"certline [a-z-]+ [^.;:\n`]*$", text):
                    yield ast.unparse(part.value)
                text += "X"


def test_names_in_suggested_commands_are_quoted() -> None:
    unquoted = [
        f"{path.relative_to(ROOT)}: {{{inserted}}}"
        for part in PARTS
        for path in sorted((ROOT / part).rglob("*.py"))
        for inserted in _inserted(path)
        if not SAFE.fullmatch(inserted)
    ]

    assert unquoted == []
