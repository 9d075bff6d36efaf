"""`certline notify`: routes by which people are told what happened, and what waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.integration.notify_documents import RouteDocument
from certline.cli.parameters.number import Seconds
from certline.cli.parameters.options import password
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_route
from certline.cli.ui.output import answer, facts, leave, say, table, whisper
from certline.cli.waiting.wait import started
from certline.models.documents.projection import minute

if TYPE_CHECKING:
    from certline.producers.notices.routes import AddedRoute

T = TypeVar("T")
Counts = Mapping[str, int]

# Messages an hour that --at-most may allow.
MOST_AN_HOUR = 10_000
NONE_YET = {"waiting": 0, "parked": 0, "sent": 0}


class PerHour(click.ParamType[int]):
    """An option type: messages an hour, such as `10/h`."""

    name = "N/h"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Fails with a usage error if the text is no number of messages an hour."""
        number = str(value).strip().removesuffix("/h").strip()
        # isdigit alone would let other scripts' digits pass.
        if not (number.isascii() and number.isdigit() and 0 < int(number[:9]) <= MOST_AN_HOUR):
            self.fail(f"{value!r} is not a number of messages an hour, such as 10/h", param, ctx)
        return int(number)


@click.group(cls=Group)
def notify() -> None:
    """Notices: people are told by mail, chat or pager what happened, and what waits for them."""


@notify.command()
@click.argument("name")
@click.option(
    "--url-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the service's URL, in apprise's form: mailtos://, slack://, workflows:// "
    "(Teams), pagerduty://, matrixs:// … Default: a prompt, or standard input.",
)
@click.option(
    "--on",
    "kinds",
    multiple=True,
    metavar="KIND,...",
    help="Kinds of news, such as order.review or account.suspended; * stands for any characters. Repeatable, or "
    "separated by commas.",
)
@click.option(
    "--severity",
    type=click.Choice(["info", "warning", "critical"]),
    default="info",
    show_default=True,
    help="The least that is told.",
)
@click.option(
    "--digest",
    type=click.Choice(["daily"]),
    help="Also a digest each day: what was renewed, what will be, what waits for a person.",
)
@click.option(
    "--at-most",
    type=PerHour(),
    metavar="N/h",
    help="Messages an hour; what is more is summed up in one. Default: no limit.",
)
def add(
    name: str,
    *,
    url_file: TextFile | None,
    kinds: tuple[str, ...],
    severity: str,
    digest: str | None,
    at_most: int | None,
) -> None:
    """Tell people what comes up from now on. The URL is stored encrypted, and never shown again.

    Exits 4 if a route of that name exists.
    """
    from certline.models.notices.kind import Severity
    from certline.producers.notices.routes import RouteThereError, add_route

    vault = context.vault()
    url = password(url_file, f"URL of the service for {name}").strip()
    try:
        added = add_route(
            context.database(),
            vault,
            name,
            url,
            # Kinds contain neither commas nor spaces, so both may separate them.
            [kind for text in kinds for kind in text.replace(",", " ").split()],
            severity=Severity(severity),
            digest=digest is not None,
            at_most=at_most,
            who=context.person(),
        )
    except RouteThereError as there:
        hint = f"To change it: certline notify remove {quote(name)}, then add it again"
        raise Fault(str(there), code=NOTHING, hint=hint) from None
    for warning in added.warnings:
        whisper(f"warning: {warning}")
    answer(RouteDocument.of(added.route), lambda: _added(added))


@notify.command("list")
def list_() -> None:
    """List routes by name, with the numbers of their notices."""
    from certline.models.notices.notice import counts_of_route
    from certline.models.notices.route import routes

    with context.database().transaction() as db:
        counts = counts_of_route(db)
        found = [(RouteDocument.of(row), counts.get(row.id, NONE_YET)) for row in routes(db)]
    rows = [
        (
            route.name,
            route.service,
            ", ".join(route.on) or "digest only",
            route.severity,
            _state(route, number),
            number["sent"],
        )
        for route, number in found
    ]
    answer(
        [_document(*each) for each in found],
        lambda: table(
            ["route", "service", "on", "severity", "state", "told (7 days)"],
            rows,
            empty="Nobody is told anything yet. To add a route: certline notify add --help",
        ),
    )


@notify.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one route, without its URL: what it is told, and whether it works."""
    route, counts = _read(name)
    answer(_document(route, counts), lambda: _show(route, counts))


@notify.command()
@click.argument("name")
@click.option(
    "--timeout",
    type=Seconds(),
    default=90.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long for a worker, then exit 5.",
)
def test(name: str, *, timeout: float) -> None:
    """Send a test message, from a worker's machine. Exits 1 if the service does not take it."""
    from certline.producers.notices.routes import send_test

    sent = _known(name, lambda: send_test(context.database(), name, who=context.person()))
    started([sent], wait=True, timeout=timeout)


@notify.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a route. Notices that were not sent are given up."""
    from certline.producers.notices.routes import remove_route

    route, counts = _read(name)
    count = _known(name, lambda: remove_route(context.database(), name, who=context.person()))
    answer(
        _document(route, counts) | {"given_up": count},
        lambda: say(f"route {name} is removed; {count} notices are given up"),
    )


@notify.command()
@click.argument("name")
def retry(name: str) -> None:
    """Try a route again now, with its parked notices. Exits 4 if nothing waits to be sent."""
    from certline.producers.notices.routes import retry_route

    count = _known(name, lambda: retry_route(context.database(), name, who=context.person()))
    answer(
        {"retried": count}, lambda: say(f"{count} notices are sent again, as far as they may be")
    )
    leave(0 if count else NOTHING)


def _read(name: str) -> tuple[RouteDocument, Counts]:
    from certline.models.notices.notice import counts_of_route

    with context.database().transaction() as db:
        route = find_route(db, name)
        return RouteDocument.of(route), counts_of_route(db).get(route.id, NONE_YET)


def _known(name: str, change: Callable[[], T]) -> T:
    from certline.producers.notices.routes import UnknownRouteError

    try:
        return change()
    except UnknownRouteError:
        with context.database().transaction() as db:
            find_route(db, name)  # raises, with the names that are known
        raise


def _document(route: RouteDocument, counts: Counts) -> dict[str, Any]:
    return route.as_dict() | {"notices": dict(counts)}


def _state(route: RouteDocument, counts: Counts) -> str:
    if counts["parked"]:
        return f"{counts['parked']} parked"
    if route.failures:
        return f"fails since {minute(route.failing_since)}"
    return "works" if route.told_at else "nothing told yet"


def _added(added: AddedRoute) -> None:
    name = added.route.name
    told = ", ".join(added.route.kinds) or "a daily digest"
    say(f"route {name} is added: {told}, by {added.route.service}")
    whisper(f"To try it: certline notify test {quote(name)}")


def _show(route: RouteDocument, counts: Counts) -> None:
    facts(
        {
            "route": route.name,
            "service": f"{route.service} ({route.scheme}://)",
            "told on": route.on,
            "from severity": route.severity,
            "digest": route.digest or "none",
            "at most": f"{route.at_most} messages an hour" if route.at_most else "no limit",
            "state": _state(route, counts),
            "why": route.last_error,
            "failures in a row": route.failures,
            "last told": minute(route.told_at),
            "added by": route.created_by,
            "added": minute(route.created_at),
            "notices": [f"{count} {word}" for word, count in counts.items()],
        }
    )
    if counts["parked"] or route.failures:
        say(f"\nWhen the service works again: certline notify retry {quote(route.name)}")
