"""All kinds of news: which there are, which news an event holds, and how grave one is. Pure functions."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from certline.models.notices.event_news import OF_EVENTS
from certline.models.notices.kind import Facts, NewsKind, Severity
from certline.models.notices.own_news import OUR_OWN

# What may be subscribed to.
KINDS: dict[str, NewsKind] = {**OF_EVENTS, **OUR_OWN}
# Not subscribed to by its kind, but sent in the same way; its facts are a title and a text.
DIGEST = "digest"


def wants(patterns: Sequence[str], kind: str) -> bool:
    """Return True if the kind matches one of the patterns; `*` matches any characters."""
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def severity_of(kind: str, facts: Facts) -> Severity:
    """Return how much a piece of news matters."""
    if kind == DIGEST:
        return Severity.INFO
    known = KINDS[kind]
    return known.severity if known.graver is None else known.graver(facts)


def unknown_kinds(patterns: Sequence[str]) -> list[str]:
    """Return the patterns that match no kind of news."""
    # fnmatch also understands `?` and [sets]; only `*` is part of our syntax.
    return [
        pattern
        for pattern in patterns
        if set(pattern) & set("[]?") or not any(fnmatchcase(kind, pattern) for kind in KINDS)
    ]


def news_in(event: str, data: Facts) -> list[tuple[str, Facts]]:
    """Return the news in an event, the most telling first: (kind, facts). A route is told the first that it wants.

    Empty for what is no news to people, and for a test of a route that failed, which the tester has seen.
    """
    if event == "command.failed" and data.get("type") == "notify":
        return []
    found: list[tuple[str, Facts]] = []
    if event == "command.failed" and data.get("type") == "hook":
        found.append(("hook.failed", data))
    if event == "auto_renew.completed" and (data.get("refused") or data.get("failed")):
        summary = f"{data.get('refused', 0)} refused, {data.get('failed', 0)} failed"
        found.append(
            ("auto_renew.failed", {"summary": summary, "what": _refusals(summary, data)}),
        )
    if event in OF_EVENTS:
        found.append((event, data))
    return found


def _refusals(summary: str, data: Facts) -> str:
    """Return what a run of auto-renewal did not do, with the first of its refusals."""
    named = [
        f"{each.get('common_name')} ({each.get('reason') or 'no reason was given'})"
        for each in list(data.get("refusals", []))[:3]
    ]
    return f"Of {data.get('due', '?')} certificates that were due, {summary}" + (
        f": {', '.join(named)}" if named else ""
    )
