"""The bars of a plan, and the names beside them."""

from certline.cli.ui.layout import cut, width_of

# Characters of the longest bar; names shown beside it, at most.
BAR, NAMED = 30, 2
# The longest bar, and a name beside others, in a narrow terminal.
SHORTEST_BAR, SHORTEST_NAME = 5, 8
# The character that bars are made of.
BLOCK = "█"


def bar_of(count: int, highest: int, longest: int = BAR) -> str:
    """Return a bar for a count; the highest count has the longest bar."""
    # Rounded up, so that a day with a single renewal still shows a bar.
    return BLOCK * -(-count * longest // max(1, highest))


def few(names: list[str], room: int | None = None) -> str:
    """Return the first names and the number of the others, as many names as there is room for."""
    for shown in range(min(NAMED, len(names)), 0, -1):
        text = _and_more(names[:shown], len(names) - shown)
        if room is None or width_of(text) <= room:
            return text
    if not names or room is None:
        return ""
    # Not even one name has room.
    more = _and_more([""], len(names) - 1)
    return _and_more([cut(names[0], max(SHORTEST_NAME, room - len(more)))], len(names) - 1)


def _and_more(names: list[str], more: int) -> str:
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
