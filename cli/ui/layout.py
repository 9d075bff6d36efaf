"""Widths and lines of text in a terminal: text is wrapped at blanks only, so that no name is broken."""

from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

# Blanks between two columns.
GAP = 2


def width_of(text: str) -> int:
    """Return the number of terminal cells that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(each) else 1 + (east_asian_width(each) in "WF") for each in text)


def one_line(text: str) -> str:
    """Return a text with each run of blanks and line ends as one blank."""
    return " ".join(text.split())


def longest_word(text: str) -> int:
    """Return the width of the longest word of a text."""
    return max(map(width_of, text.split()), default=0)


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text, at most `width` cells each; a longer word is a line of its own, unbroken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and width_of(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def cut(text: str, width: int) -> str:
    """Shorten a text to `width` cells; its beginning and its end are kept."""
    if width_of(text) <= width:
        return text
    half = (width - 1) // 2
    head = begin(text, half)
    tail = begin(text[::-1], width - 1 - half)[::-1]
    return f"{head}…{tail}"


def begin(text: str, width: int) -> str:
    """Return as much of the beginning of a text as fits in `width` cells."""
    taken = ""
    for each in text:
        if width_of(taken + each) > width:
            break
        taken += each
    return taken


def joined(cells: Iterable[str], widths: Sequence[int]) -> str:
    """Return one line of a table: each cell padded to its column's width."""
    padded = (
        cell + " " * max(0, width - width_of(cell))
        for cell, width in zip(cells, widths, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()


def natural(lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the width that each column of a table needs."""
    return [max(map(width_of, cells)) for cells in zip(*lines, strict=True)]


def fitted(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return the widths of the columns if the cells are wrapped at blanks, or None if `room` is too small."""
    widths = natural(lines)
    shortest = [max(map(longest_word, cells)) for cells in zip(*lines, strict=True)]
    while (excess := sum(widths) + GAP * (len(widths) - 1) - room) > 0:
        spare = [place for place, width in enumerate(widths) if width > shortest[place]]
        if not spare:
            return None
        # Always the widest column, down to the next widest, so that several long ones lose evenly.
        widest = max(spare, key=lambda place: widths[place])
        widths[widest] = max(shortest[widest], widths[widest] - max(1, excess // len(spare)))
    return widths


def rows_of(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of one row of a table whose cells are wrapped."""
    cells = [wrapped(cell, width) for cell, width in zip(line, widths, strict=True)]
    for number in range(max(map(len, cells))):
        yield joined((cell[number] if number < len(cell) else "" for cell in cells), widths)


def pairs_of(pairs: Sequence[tuple[str, str]], room: int | None) -> Iterator[str]:
    """Yield the lines of named values; with a `room`, values are wrapped to it.

    A value with a word that has no room beside its name is put below the name.
    """
    column = max((width_of(name) for name, _ in pairs), default=0) + GAP
    for name, value in pairs:
        label = name + " " * (column - width_of(name))
        if room is None:
            lines = value.splitlines() or [""]
        elif longest_word(value) > room - column and longest_word(value) > 0:
            yield name
            yield from (" " * GAP + line for line in wrapped(value, room - GAP))
            continue
        else:
            lines = [
                line for part in value.splitlines() or [""] for line in wrapped(part, room - column)
            ]
        yield (label + lines[0]).rstrip()
        yield from ((" " * column + line).rstrip() for line in lines[1:])
