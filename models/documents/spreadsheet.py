"""Cells of CSV: the values of documents, as a spreadsheet can read them without running them."""

import json
import re

# A cell that begins so is a formula to a spreadsheet (OWASP: CSV injection); the last four in full width.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Where a spreadsheet begins another cell in the midst of a text, and a formula follows: in half of Europe the
# semicolon separates cells, not the comma, and quotation marks in the midst of a cell hold no line together; those
# at the start of a cell are no part of it.
FURTHER = re.compile(rf"([;\t\r\n](?:\"|[^\S\t\r\n])*)(?=[{re.escape(''.join(FORMULA))}])")


def cell(value: object) -> object:
    """Return a document's value as a cell: simple lists separated by spaces, deeper structures as JSON.

    What a spreadsheet would run as a formula begins with an apostrophe, also in the midst of a text; numbers stay
    numbers.
    """
    found = _flat(value)
    if not isinstance(found, str):
        return found
    found = FURTHER.sub(r"\1'", found)
    # Blanks before it do not stop a spreadsheet; a tab or a line end begins the next cell in some.
    if found.lstrip().startswith(FORMULA) or found.startswith(("\t", "\r", "\n")):
        return f"'{found}"
    return found


def _flat(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return " ".join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
