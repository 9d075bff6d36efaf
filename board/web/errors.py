"""Why a page cannot be shown, for the person who asked for it."""

from dataclasses import dataclass


class BadFilterError(Exception):
    """Values in the address make no sense; `problems`: one sentence a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class UnknownThingError(Exception):
    """The thing that the address names is not there; the text says which, `command` how to look for it."""

    def __init__(self, text: str, command: str | None = None) -> None:
        super().__init__(text)
        self.command = command


class NoTableError(Exception):
    """CSV was asked of a page that is not one table."""


@dataclass(frozen=True)
class RefusalPage:
    """Page that is shown in place of the one asked for: what happened, what it means, what to do next."""

    status: int
    title: str
    lines: tuple[str, ...]
    next_step: str
    command: str | None = None
    filters: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, object]:
        """The refusal as JSON."""
        return {
            "error": self.title,
            "details": [*self.lines, *self.filters],
            "next": self.next_step,
        }
