"""Kind of news: its severity, and its words: what happened, what it means, what to type.

Words are templates: `{name}` stands for a fact of the news (`models.notices.words`), such as a field of an event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Facts = Mapping[str, Any]


class Severity(StrEnum):
    """Severity of news. A route may leave out what matters less."""

    INFO = "info"  # something came about
    WARNING = "warning"  # somebody should look, on a working day
    CRITICAL = "critical"  # something does not go on until a person acts


# The least first.
SEVERITIES = tuple(Severity)


@dataclass(frozen=True)
class NewsKind:
    """Severity and words of a kind of news. `graver`: returns the severity of one piece of news, from its facts.

    `title`: of one; `many`: of several, after their number; `about`: the fact by which one of several is named;
    `commands`: what to type about one; `overview`: what to type about several.
    """

    severity: Severity
    title: str
    many: str
    happened: str
    meaning: str
    about: str = "common_name"
    commands: Sequence[str] = ()
    overview: Sequence[str] = ()
    graver: Callable[[Facts], Severity] | None = field(default=None, repr=False)
