"""The syntax that all commands share: `--json` anywhere, `-h`, and nouns that are loaded on first use."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
from click.core import ParameterSource

# Where a parameter's value comes from, if the user has given it.
GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.PROMPT)
# Key in the context's `meta`, which all nested contexts of one call share: set if the output is JSON.
JSON = "certline.json"


def _want_json(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[JSON] = True


def _json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        # Eager: --json is known even if another option is then refused.
        is_eager=True,
        expose_value=False,
        callback=_want_json,
        help="Print one JSON document on standard output; messages go to standard error.",
    )


# Nouns that are named for a verb without a noun, at most.
MOST_MEANT = 4


class MissingParametersError(click.UsageError):
    """Error for required options and arguments that are missing: `problems` has a line for each of them."""

    def __init__(self, missing: list[click.Parameter], ctx: click.Context) -> None:
        names = [_name_of(each, ctx) for each in missing]
        noun = "option" if all(isinstance(each, click.Option) for each in missing) else "value"
        count = f"{len(names)} {noun}s are" if len(names) > 1 else f"a required {noun} is"
        super().__init__(f"{count} missing: {', '.join(names)}", ctx)
        self.problems = [
            f"{_name_of(each, ctx, value=True)}: {each.help}"
            for each in missing
            if isinstance(each, click.Option)
        ]


def _name_of(each: click.Parameter, ctx: click.Context, *, value: bool = False) -> str:
    if not isinstance(each, click.Option):
        return each.make_metavar(ctx)
    return f"{each.opts[0]} {each.make_metavar(ctx)}" if value else each.opts[0]


def _suggest(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
    # Imported only when a shell asks.
    from certline.cli.suggestions import suggest

    return list(suggest(ctx, parameter, begun))


def _help_option(found: click.Option | None) -> click.Option | None:
    """Make an option print a help page as it is: `click.echo` would take colours off."""

    def show(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            print(ctx.get_help())  # noqa: T201
            ctx.exit()

    if found is not None:
        found.callback = show
    return found


def _help_page(command: click.Command, ctx: click.Context) -> str:
    # rich and rich_click, which take longer than most commands.
    from certline.cli.ui.help_page import help_page

    return help_page(command, ctx)


class CliCommand(click.Command):
    """A command that accepts `--json`, names all that is missing at once, and completes names of rows."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Also where a command has no parent, whose names it would otherwise inherit.
        options.setdefault("context_settings", {}).setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **options)
        for each in self.params:
            # Choices, files and numbers complete themselves, or not at all.
            if isinstance(each.type, click.types.StringParamType):
                each._custom_shell_complete = _suggest  # noqa: SLF001  # click sets it in the constructor only
        self.params.append(_json_option())

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option --help."""
        return _help_option(super().get_help_option(ctx))

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return _help_page(self, ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, then check what every text has to be: UTF-8, not empty, no control characters.

        All missing options and arguments are reported at once, not the first one.
        """
        if any(
            "\0" in text for text in args
        ):  # click asks the file system about paths before the check below
            raise click.UsageError("an option or argument contains the character NUL", ctx)
        rest = self._parsed(ctx, args)
        for param in self.params:
            if ctx.get_parameter_source(param.name or "") in GIVEN:
                _check_texts(ctx, param, ctx.params.get(param.name or ""))
        return rest

    def _parsed(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:
            values, _, _ = self.make_parser(ctx).parse_args(args=given)
            missing = [
                each
                for each in self.get_params(ctx)
                if each.required and each.value_is_missing(each.consume_value(ctx, values)[0])
            ]
            if not missing:
                raise
            raise MissingParametersError(missing, ctx) from None


def _check_texts(ctx: click.Context, param: click.Parameter, value: object) -> None:
    # Imported late: `certline --help` loads nothing of the models.
    from certline.models.validation import texts_in, unfit_character

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


class Group(click.Group):
    """A group that accepts `--json` too, so that the option may precede the command."""

    command_class = CliCommand

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option --help."""
        return _help_option(super().get_help_option(ctx))

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return _help_page(self, ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; if the command is missing, print the help page and exit 2, or fail with JSON."""
        if not args and ctx.meta.get(JSON):
            raise click.UsageError("Missing command.", ctx)
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            print(ctx.get_help())  # noqa: T201  # as --help does
            ctx.exit(click.UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is named; an unknown one is reported with what may be meant."""
        name = args[0]
        unknown = self.get_command(ctx, name) is None and not name.startswith("-")
        if unknown and not ctx.resilient_parsing:
            meant = " or ".join(f"`{ctx.command_path} {each}`" for each in self.close_to(ctx, name))
            raise click.UsageError(
                f"there is no command {name!r}" + (f"; did you mean {meant}?" if meant else ""), ctx
            )
        return super().resolve_command(ctx, args)

    def close_to(self, ctx: click.Context, name: str) -> list[str]:
        """Return the commands that a mistyped name may mean, without this group's own name."""
        return close_words(name, self.list_commands(ctx))


def close_words(name: str, words: Iterable[str]) -> list[str]:
    """Return the words that a mistyped one may mean, the closest ones first."""
    return get_close_matches(name.lower(), list(words), n=3, cutoff=0.6)


Group.group_class = Group


class LazyGroup(Group):
    """The root group: lists its commands by name and summary, and imports a command when it is called.

    So `certline --help` and shell completion load neither SQLAlchemy nor cryptography.
    """

    def __init__(
        self,
        *args: Any,
        places: dict[str, tuple[str, str]],
        sections: dict[str, tuple[str, ...]],
        **options: Any,
    ) -> None:
        """`places`: name → (module, summary); the module holds the command under that name.

        `sections`: the commands in each section of the help page.
        """
        super().__init__(*args, **options)
        self.places = places
        self.sections = sections

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

    def close_to(self, ctx: click.Context, name: str) -> list[str]:
        """Return the commands that are meant; also a verb without its noun, such as `renew`."""
        nouns = (noun for noun in self.places if isinstance(self.load(noun), click.Group))
        verbs = [
            f"{noun} {name.lower()}"
            for noun in nouns
            if name.lower() in getattr(self.load(noun), "commands", ())
        ]
        # Many nouns have the verbs `list` and `show`; then the verb alone says nothing.
        return (verbs if len(verbs) <= MOST_MEANT else []) + super().close_to(ctx, name)

    def load(self, name: str) -> click.Command:
        """Import a command's module and return the command."""
        module, _ = self.places[name]
        # `import` is a Python keyword, so that command is called `import_`.
        own = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        command: click.Command = getattr(import_module(module), own)
        return command
