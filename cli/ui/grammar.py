"""The grammar of every command: `--json` anywhere, `-h`, and nouns that are loaded when they are used."""

from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
import rich_click

# In the context's `meta`, which all contexts of one call share: people or machines read the answer.
JSON = "certline.json"


def _want_json(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[JSON] = True


def _json_option() -> click.Option:
    return rich_click.RichOption(
        ["--json"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_want_json,
        help="Answer with one JSON document on standard output; messages go to standard error.",
    )


class Command(rich_click.RichCommand):
    """A command that can answer in JSON."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())


class Group(rich_click.RichGroup):
    """A group that takes `--json` too, so that it may stand before the command."""

    command_class = Command

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command a person gets the help; a machine gets an error."""
        if not args and ctx.meta.get(JSON):
            raise click.UsageError("Missing command.", ctx)
        return super().parse_args(ctx, args)


Group.group_class = Group


class LazyGroup(Group):
    """The root: its commands are known by name and summary, and imported when one is called.

    So `certline --help` and completion load neither SQLAlchemy nor cryptography.
    """

    def __init__(self, *args: Any, places: dict[str, tuple[str, str]], **options: Any) -> None:
        """`places`: name → (module, its summary); the module holds the command under its name."""
        super().__init__(*args, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's
        """Every command, in the order of the places."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A stand-in with the summary; enough for lists and for completion."""
        if cmd_name not in self.places:
            return None
        return Command(cmd_name, help=self.places[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command, for it is about to run."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else None, rest

    def load(self, name: str) -> click.Command:
        """Import a command."""
        module, _ = self.places[name]
        own = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        command: click.Command = getattr(import_module(module), own)
        return command
