"""The words of one piece of news, and of a message about several. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from certline.models.notices.kind import SEVERITIES, Facts, Severity
from certline.models.notices.news import DIGEST, KINDS

# Characters of one fact that are shown; of a title; news of one kind that are named.
LONGEST_FACT, LONGEST_TITLE, MOST_NAMED = 400, 150, 5
# What would call everybody in a chat, if a text from outside contained it: also as Zulip has it, `@**all**`.
MENTIONS = re.compile(
    r"@(?=[_*~`\"']*(everyone|here|channel|topic|stream|all|room)\b)", re.IGNORECASE
)
# What makes a text a link to another address, in chats that take Markdown.
LINKS = re.compile(r"\](?=[(\[:])")


@dataclass(frozen=True)
class NewsPiece:
    """One piece of news as a notice holds it, and when it happened."""

    kind: str
    severity: Severity
    facts: Facts
    at: datetime


@dataclass(frozen=True)
class Letter:
    """A message to people: its severity is that of the gravest news in it."""

    severity: Severity
    title: str
    body: str


def letter_about(pieces: Sequence[NewsPiece]) -> Letter:
    """Return the message about these pieces of news, which are at least one, in order of time."""
    kinds = list(dict.fromkeys(piece.kind for piece in pieces))
    gravest = max((piece.severity for piece in pieces), key=SEVERITIES.index)
    if kinds == [DIGEST] and len(pieces) == 1:
        title, body = str(pieces[0].facts["title"]), str(pieces[0].facts["text"])
    elif len(pieces) == 1:
        title, body = _one(pieces[0])
    elif len(kinds) == 1 and kinds != [DIGEST]:
        title, body = _many(pieces)
    else:
        title, body = _several_kinds(pieces, kinds)
    mark = "" if gravest is Severity.INFO else f"{gravest.upper()}: "
    return Letter(gravest, f"certline: {mark}{title}"[:LONGEST_TITLE], body)


def clean(value: Any) -> str:
    """Return a fact as text that neither a mail's header, nor a chat, nor a terminal obeys, and that is short."""
    if isinstance(value, list | tuple):
        return ", ".join(clean(each) for each in value[:MOST_NAMED])
    text = "".join(each if each.isprintable() else " " for each in str(value))
    text = MENTIONS.sub("(at)", " ".join(text.split())).replace("<", "[").replace(">", "]")
    text = LINKS.sub("] ", text)
    return text if len(text) <= LONGEST_FACT else text[: LONGEST_FACT - 1] + "…"


class _Values(dict[str, str]):
    """Facts as they are put into a template. One that is missing, or null, leaves a word in its place."""

    def __missing__(self, name: str) -> str:
        return "" if name == "reason" else "?"


def filled(template: str, facts: Facts) -> str:
    """Return a template with its facts."""
    values = _Values({name: clean(value) for name, value in facts.items() if value is not None})
    return template.format_map(values).strip().replace(": .", ".")


def typed(template: str, facts: Facts) -> str:
    """Return a command to type, each fact in it quoted for a shell."""
    values = _Values(
        {name: quote(clean(value)) for name, value in facts.items() if value is not None}
    )
    return template.format_map(values)


def _one(piece: NewsPiece) -> tuple[str, str]:
    kind = KINDS[piece.kind]
    commands = [typed(each, piece.facts) for each in kind.commands]
    parts = [
        filled(kind.happened, piece.facts),
        kind.meaning,
        _to_type(commands),
        f"It happened at {minute(piece.at)}.",
    ]
    return filled(kind.title, piece.facts), _body(parts)


def _many(pieces: Sequence[NewsPiece]) -> tuple[str, str]:
    kind, first = KINDS[pieces[0].kind], pieces[0]
    parts = [
        f"{len(pieces)} times between {minute(first.at)} and {minute(pieces[-1].at)}: {_named(pieces)}.",
        f"The first: {filled(kind.happened, first.facts)}",
        kind.meaning,
        _to_type(kind.overview),
    ]
    return f"{len(pieces)} {kind.many}", _body(parts)


def _several_kinds(pieces: Sequence[NewsPiece], kinds: Sequence[str]) -> tuple[str, str]:
    parts, commands = [], []
    for name in kinds:
        own = [piece for piece in pieces if piece.kind == name]
        if name == DIGEST:
            parts += [f"{piece.facts['title']}\n\n{piece.facts['text']}" for piece in own]
        elif len(own) == 1:
            parts.append(f"- {filled(KINDS[name].title, own[0].facts)}")
            commands += [typed(each, own[0].facts) for each in KINDS[name].commands[:1]]
        else:
            parts.append(f"- {len(own)} {KINDS[name].many}: {_named(own)}")
            commands += KINDS[name].overview[:1]
    many = f"{len(pieces)} pieces of news of {len(kinds)} kinds"
    why = "They come in one message, because more messages an hour were not wanted."
    return many, _body([*parts, why, _to_type(list(dict.fromkeys(commands)))])


def _named(pieces: Sequence[NewsPiece]) -> str:
    """Return the first names that pieces of one kind are about, and how many more there are."""
    about = KINDS[pieces[0].kind].about
    names = list(dict.fromkeys(clean(piece.facts.get(about) or "?") for piece in pieces))
    shown = ", ".join(names[:MOST_NAMED])
    rest = len(names) - MOST_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown


def _to_type(commands: Sequence[str]) -> str:
    return "\n".join(["To type:", *(f"  {each}" for each in commands)]) if commands else ""


def _body(parts: Sequence[str]) -> str:
    return "\n\n".join(filter(None, parts))


def minute(moment: datetime) -> str:
    """Return a time to the minute, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def test_letter(route: str, who: str) -> Letter:
    """Return the message of a test that somebody has asked for."""
    text = (
        f"{who} is testing the route {route}, and it works: this message came from a worker, as all others "
        "will.\n\n"
        f"What it is told: certline notify show {quote(route)}"
    )
    return Letter(Severity.INFO, f"certline: a test of the route {route}", text)
