"""Help pages: no option's name is cut, and no choice is broken, however narrow the terminal is."""

from typing import Any

from rich_click import RichContext, RichHelpFormatter
from rich_click.rich_panel import RichOptionPanel

# Cells of the column with the values of options, at most, if their words are shorter.
VALUES = 20


class OptionPanel(RichOptionPanel):
    """The options: names whole, values wrapped between two choices, the help in the room that is left."""

    def get_table(self, command: Any, ctx: Any, formatter: Any) -> Any:
        """Return the table, with limits for the columns."""
        table = super().get_table(command, ctx, formatter)
        for column in table.columns[:-1]:  # the last one is the help
            if "Metavar" not in str(column.header):
                column.no_wrap = True
                column.min_width = max(map(_width, column.cells), default=0)
                continue
            cells = [_spaced(cell) for cell in column.cells]
            column._cells = cells  # noqa: SLF001  # rich has no public way to change cells
            words = (word for cell in cells for word in str(cell).split())
            widest = min(VALUES, max(map(_width, cells), default=0))
            column.min_width = column.max_width = max(widest, max(map(len, words), default=0))
        return table


def _width(cell: Any) -> int:
    return len(str(cell))


def _spaced(cell: Any) -> Any:
    """Return a list of choices with a blank after each `|`, where a line can be wrapped."""
    from rich.text import Text  # noqa: PLC0415  # only help pages need it

    if not isinstance(cell, Text) or len(cell) <= VALUES or "|" not in cell.plain:
        return cell
    return Text(cell.plain.replace("|", "| "), style=cell.style, overflow="fold")


class HelpFormatter(RichHelpFormatter):
    """The formatter of help pages, with our panel of options."""

    option_panel_class = OptionPanel


class HelpContext(RichContext):
    """The context of a command, with our help pages."""

    formatter_class = HelpFormatter
