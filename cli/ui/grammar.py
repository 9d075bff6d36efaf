"""The syntax that all commands share: `--json` anywhere, `-h`, and nouns that are loaded on first use."""

from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
import rich_click
from click.core import ParameterSource

# Where a parameter's value comes from, if the user has given it.
GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.PROMPT)
# Key in the context's `meta`, which all nested contexts of one call share: set if the output is JSON.
JSON = "certline.json"


def _want_json(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[JSON] = True


def _json_option() -> click.Option:
    return rich_click.RichOption(
        ["--json"],
        is_flag=True,
        # Eager: --json is known even if another option is then refused.
        is_eager=True,
        expose_value=False,
        callback=_want_json,
        help="Print one JSON document on standard output; messages go to standard error.",
    )


class CliCommand(rich_click.RichCommand):
    """A command that accepts `--json`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, then check what every text has to be: UTF-8, not empty, no control characters."""
        if any(
            "\0" in text for text in args
        ):  # click asks the file system about paths before the check below
            raise click.UsageError("an option or argument contains the character NUL", ctx)
        rest = super().parse_args(ctx, args)
        for param in self.params:
            if ctx.get_parameter_source(param.name or "") in GIVEN:
                _check_texts(ctx, param, ctx.params.get(param.name or ""))
        return rest


def _check_texts(ctx: click.Context, param: click.Parameter, value: object) -> None:
    # Imported late: `certline --help` loads nothing of the models.
    from certline.models.validation import texts_in, unfit_character  # noqa: PLC0415

    is_path = isinstance(param.type, click.Path)
    for text in texts_in(value):
        unfit = unfit_character(text)
        # A file may have any name that the file system takes.
        if unfit is not None and not is_path:
            raise click.BadParameter(f"the text contains {unfit}", ctx, param)
    # A shell variable that is not set makes an empty text: without this check, `--account "$X"` would mean all.
    given = value if isinstance(value, list | tuple) else [value]
    may_be_empty = getattr(param, "default", None) == ""
    if not may_be_empty and any(isinstance(text, str) and not text.strip() for text in given):
        raise click.BadParameter("the text is empty", ctx, param)


class Group(rich_click.RichGroup):
    """A group that accepts `--json` too, so that the option may precede the command."""

    command_class = CliCommand

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but fail with JSON, instead of printing help, if the command is missing."""
        if not args and ctx.meta.get(JSON):
            raise click.UsageError("Missing command.", ctx)
        return super().parse_args(ctx, args)


Group.group_class = Group


class LazyGroup(Group):
    """The root group: lists its commands by name and summary, and imports a command when it is called.

    So `certline --help` and shell completion load neither SQLAlchemy nor cryptography.
    """

    def __init__(self, *args: Any, places: dict[str, tuple[str, str]], **options: Any) -> None:
        """`places`: name → (module, summary); the module holds the command under that name."""
        super().__init__(*args, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's
        """Return the names of all commands, in the order of `places`."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a placeholder with the summary, which is enough for help and completion."""
        if cmd_name not in self.places:
            return None
        return CliCommand(cmd_name, help=self.places[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the real command, which is about to run."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else None, rest

    def load(self, name: str) -> click.Command:
        """Import a command's module and return the command."""
        module, _ = self.places[name]
        # `import` is a Python keyword, so that command is called `import_`.
        own = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        command: click.Command = getattr(import_module(module), own)
        return command
