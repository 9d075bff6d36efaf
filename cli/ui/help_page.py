"""Help pages: no option's name is cut, and no choice is broken, however narrow the terminal is."""

from typing import Any

import click
from rich_click import RichCommand, RichContext, RichGroup, RichHelpFormatter
from rich_click.rich_panel import RichCommandPanel, RichOptionPanel

# Cells of the column with the values of options, at most, if their words are shorter.
VALUES = 20
# Cells of a page, at most.
WIDTH = 100


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
    from rich.text import Text  # only help pages need it

    if not isinstance(cell, Text) or len(cell) <= VALUES or "|" not in cell.plain:
        return cell
    return Text(cell.plain.replace("|", "| "), style=cell.style, overflow="fold")


class HelpFormatter(RichHelpFormatter):
    """The formatter of help pages, with our panel of options."""

    option_panel_class = OptionPanel


class HelpContext(RichContext):
    """The context of a help page, with our formatter."""

    formatter_class = HelpFormatter


class CommandPage(RichCommand):
    """A command as rich-click lays it out."""


class GroupPage(RichGroup):
    """A group as rich-click lays it out, with the commands of another one."""

    def __init__(self, group: click.Group) -> None:
        super().__init__(name=group.name)
        self.plain = group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the group's commands."""
        return self.plain.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of the group."""
        return self.plain.get_command(ctx, cmd_name)


def help_page(command: click.Command, context: click.Context) -> str:
    """Return the help page of a command.

    The commands themselves are plain ones of click: rich-click and rich are loaded for help pages only.
    """
    return _page(command).get_help(_context(context))


def _context(plain: click.Context) -> HelpContext:
    return HelpContext(
        _page(plain.command),
        parent=None if plain.parent is None else _context(plain.parent),
        info_name=plain.info_name,
        terminal_width=plain.terminal_width,
        max_content_width=plain.max_content_width,
        help_option_names=plain.help_option_names,
        rich_help_config={"text_markup": "ansi", "max_width": plain.max_content_width or WIDTH},
    )


def _page(command: click.Command) -> RichCommand:
    found = (
        GroupPage(command) if isinstance(command, click.Group) else CommandPage(name=command.name)
    )
    vars(found).update(vars(command))
    for name, commands in getattr(command, "sections", {}).items():
        found.add_panel(RichCommandPanel(name, list(commands)))
    return found
