"""Management of the routes of notices; each change writes an audit entry in the same transaction."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Database, NoticeRoute
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import OPEN, accept, finish, hasten, open_step
from certline.models.commands.payloads import NotifyCommand
from certline.models.database.base import new_id
from certline.models.database.secret_place import place_of
from certline.models.notices.delivery import release
from certline.models.notices.kind import Severity
from certline.models.notices.news import KINDS, unknown_kinds
from certline.models.notices.notice import begin_telling, counts_of_route
from certline.models.notices.route import route_named
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.notices.channel import BadServiceError, service_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Held while adding a route: two of the same name must not be added at once. Readers are not blocked.
_LOCK = text("LOCK TABLE notice_route IN SHARE ROW EXCLUSIVE MODE")


class RouteThereError(Exception):
    """There is a route of that name already."""


class UnknownRouteError(Exception):
    """There is no route of that name."""


@dataclass(frozen=True)
class AddedRoute:
    """A route that was added, and what is unsafe about it."""

    route: NoticeRoute
    warnings: list[str]


def add_route(
    database: Database,
    vault: Vault,
    name: str,
    url: str,
    kinds: Sequence[str],
    *,
    severity: Severity,
    digest: bool,
    at_most: int | None,
    who: Identity,
) -> AddedRoute:
    """Add a route: news of these kinds (patterns) that come up from now on are sent to the URL.

    Raises BadCommandError for a URL or a kind that cannot be used, and RouteThereError.
    """
    wanted = list(dict.fromkeys(kinds))
    problems = list(_problems(name, wanted, digest=digest))
    try:
        service = service_of(url)
    except BadServiceError as bad:
        problems.append(f"url: {bad}")
    if problems:
        raise BadCommandError(problems)
    with database.transaction() as db:
        db.execute(_LOCK)
        if route_named(db, name) is not None:
            raise RouteThereError(f"there is a route {name!r} already")
        route = NoticeRoute(
            id=new_id(),
            name=name,
            service=service.name,
            scheme=service.scheme,
            kinds=wanted,
            severity=severity,
            digest=digest,
            at_most=at_most,
            created_by=str(who),
        )
        route.url_sealed = vault.seal(url.encode(), place_of(route, "url_sealed"))
        db.add(route)
        db.flush()
        facts = {"kinds": wanted, "severity": severity, "digest": digest, "at_most": at_most}
        record(db, "notify.added", name, who=who, service=service.name, route=facts)
    return AddedRoute(route, service.warnings)


def send_test(database: Database, name: str, *, who: Identity) -> Command:
    """Queue a test message of a route, sent once by a worker. Returns the command. Raises UnknownRouteError."""
    with database.transaction() as db:
        route = _locked(db, name)
        # A subject of its own: it runs beside the command that sends the route's notices.
        command, _ = accept(
            db,
            CommandType.NOTIFY,
            NotifyCommand(route=route.id, test=str(who)).model_dump(exclude={"account"}),
            requested_by=who,
            source="cli",
            subject=f"{route.id}:test",
        )
        record(db, "notify.tested", name, who=who, command_id=command.id)
        return command


def remove_route(database: Database, name: str, *, who: Identity) -> int:
    """Remove a route with its notices. Returns how many had not been sent. Raises UnknownRouteError."""
    with database.transaction() as db:
        route = _locked(db, name)
        counts = counts_of_route(db).get(route.id, {})
        given_up = counts.get("waiting", 0) + counts.get("parked", 0)
        command = open_step(db, CommandType.NOTIFY, route.id)
        # One that runs finds no route any more, and ends.
        if command is not None and command.status is CommandStatus.QUEUED:
            db.refresh(command, with_for_update=True)
            if command.status in OPEN:
                why = f"the route {name} was removed by {who}"
                finish(db, command, CommandStatus.FAILED, error=why)
        record(db, "notify.removed", name, who=who, given_up=given_up)
        db.delete(route)
        return given_up


def retry_route(database: Database, name: str, *, who: Identity) -> int:
    """Try a route again now, with its parked notices. Returns how many were parked. Raises UnknownRouteError."""
    with database.transaction() as db:
        route = _locked(db, name)
        count = release(db, route)
        waits = counts_of_route(db).get(route.id, {}).get("waiting", 0)
        if not waits:
            return 0
        # Also if it fails at present, which is what it is tried for.
        begin_telling(db, route.id, timedelta(0), who=who, rests=False)
        command = open_step(db, CommandType.NOTIFY, route.id)
        if command is not None and command.status is CommandStatus.QUEUED:
            hasten(db, command)
        record(db, "notify.retried", name, who=who, count=count)
        return waits


def _problems(name: str, kinds: Sequence[str], *, digest: bool) -> list[str]:
    problems = []
    if not NAME.fullmatch(name):
        problems.append(
            f"name: {name!r} should be lower-case letters, digits, - and _ (63 at most)"
        )
    if not kinds and not digest:
        problems.append("on: is missing; or a digest only: --digest daily")
    problems += [
        f"on: {pattern!r} is not a kind of news; known kinds: {', '.join(KINDS)}"
        for pattern in unknown_kinds(kinds)
    ]
    return problems


def _locked(db: Session, name: str) -> NoticeRoute:
    route = route_named(db, name)
    # A lock that only the end of the step waits for, and other changes by users.
    route = None if route is None else db.get(NoticeRoute, route.id, with_for_update=True)
    if route is None:
        raise UnknownRouteError(f"route {name!r} is not known")
    return route
