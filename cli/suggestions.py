"""Names for shell completion: of accounts, certificates, orders and so on, as far as the database is at hand."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from certline.workers.process.visible import visible

# Names that are suggested, at most.
MOST = 50
# What an option's value names, by the option.
OF_OPTIONS = {
    "--account": "account",
    "--organization": "organization",
    "--profile": "profile",
    "--hook": "hook",
    "--certificate": "certificate",
}
# The same for an argument, by its metavar; NAME is a name of the noun that the command belongs to.
OF_ARGUMENTS = {
    "CERT": "certificate",
    "ORDER": "order",
    "BATCH": "renewal",
    "WEBHOOK": "webhook",
    "WEBHOOK|DELIVERY": "webhook",
    "RUN": "hook run",
}
# The commands whose NAME is a new one.
NEW = {"add"}
# Nouns whose arguments ID or NAME are names of their own rows.
OWN = {"account", "hook", "notify", "dns", "sender", "schedule", "command", "dead-letter"}

Named = tuple[str, str | None]


def suggest(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem[str]]:
    """Return names that begin with what was typed; none if there is no database, or on any error.

    A shell waits for this with every press of a key, so nothing is started for it, and its queries are cut off.
    """
    kind = kind_of(context, parameter)
    if kind is None:
        return []
    try:
        found = _names(kind, begun)
    except Exception:  # noqa: BLE001  # the edge: an error would be printed into the line that is typed
        return []
    # A name that could steer the terminal is left out: as an escape it would be another name.
    return [
        CompletionItem(_quoted(name), help=visible(text) if text else text)
        for name, text in found
        if visible(name) == name
    ]


def kind_of(context: click.Context, parameter: click.Parameter) -> str | None:
    """Return what a parameter names, or None if it is no name of a row."""
    if isinstance(parameter, click.Option):
        return next((OF_OPTIONS[name] for name in parameter.opts if name in OF_OPTIONS), None)
    words = context.command_path.split()
    text = parameter.make_metavar(context).strip("[].")
    if text in OF_ARGUMENTS:
        return OF_ARGUMENTS[text]
    noun, verb = (words[-2], words[-1]) if len(words) > 2 else ("", "")
    return noun if noun in OWN and verb not in NEW and text in ("NAME", "ID", "ID...") else None


def _quoted(name: str) -> str:
    """Return a name as the shell has to read it: only bash takes what it is given into the line as it is."""
    if not os.environ.get("_CERTLINE_COMPLETE", "").startswith("bash"):
        return name
    return re.sub(r"([^\w@%+=:,./*-])", r"\\\1", name)


def _names(kind: str, begun: str) -> list[Named]:
    from sqlalchemy.orm import Session  # only when a shell asks

    from certline.models.database.connection import PostgresPool  # same

    url = _running_database()
    if url is None:
        return []
    engine = PostgresPool(url, options="-c statement_timeout=700", connect_seconds=2).engine
    try:
        with Session(engine) as db:
            found = dict(reversed(list(QUERIES[kind](db, begun))))
    finally:
        engine.dispose()
    return list(reversed(found.items()))[:MOST]


def _running_database() -> str | None:
    """Return the URL of the database; None if it is an embedded one that does not run: none is started."""
    from certline.models.database.embedded_postgres import (  # only when a shell asks
        database_url,
    )
    from certline.models.settings import settings  # same

    ours = settings()
    if ours.database_url is None:
        pid = int((ours.home / "postgres" / "postmaster.pid").read_text().split()[0])
        with suppress(PermissionError):  # another user's process, so it runs
            os.kill(pid, 0)
    return database_url(ours)


def _begins(column: Any, begun: str) -> Any:
    from certline.models.database.patterns import escaped  # only when a shell asks

    return column.ilike(f"{escaped(begun).replace('%', '')}%", escape="\\")


def _certificates(db: Any, begun: str) -> Iterator[Named]:
    from sqlalchemy import select  # only when a shell asks

    from certline.models import Certificate, CertificateStatus  # same

    names = (
        select(Certificate.common_name)
        .where(
            Certificate.status == CertificateStatus.ACTIVE,
            Certificate.common_name >= begun.lower(),
            Certificate.common_name < begun.lower() + "\U0010ffff",
        )
        .distinct()
        .order_by(Certificate.common_name)
    )
    yield from ((name, None) for name in db.scalars(names.limit(MOST)))
    if begun[:1].isdigit():  # as ids begin
        rows = select(Certificate.id, Certificate.common_name, Certificate.status)
        yield from _with_text(db, _by_id(rows, Certificate.id, begun))


def _orders(db: Any, begun: str) -> Iterator[Named]:
    from sqlalchemy import select  # only when a shell asks

    from certline.models import Order  # same

    rows = select(Order.id, Order.common_name, Order.status)
    yield from _with_text(db, _by_id(rows, Order.id, begun))


def _batches(db: Any, begun: str) -> Iterator[Named]:
    from sqlalchemy import select  # only when a shell asks

    from certline.models import RenewalBatch  # same

    rows = select(RenewalBatch.id, RenewalBatch.status, RenewalBatch.selection)
    yield from _with_text(db, _by_id(rows, RenewalBatch.id, begun))


def _letters(db: Any, begun: str) -> Iterator[Named]:
    from sqlalchemy import select  # only when a shell asks

    from certline.models import DeadLetter  # same

    rows = select(DeadLetter.id, DeadLetter.status, DeadLetter.source)
    yield from _with_text(db, _by_id(rows, DeadLetter.id, begun))


def _by_id(rows: Any, column: Any, begun: str) -> Any:
    """Return the newest rows whose ULID begins so."""
    begun = begun.upper()
    return rows.where(column >= begun, column < begun + "~").order_by(column.desc()).limit(MOST)


def _commands(db: Any, begun: str, *, only: str | None = None) -> Iterator[Named]:
    from sqlalchemy import String, cast, select  # only when a shell asks

    from certline.models import Command  # same

    rows = select(cast(Command.id, String), Command.type, Command.status)
    if only is not None:
        rows = rows.where(Command.type == only)
    # UUIDs are not in the order of time, so the newest ones are compared, not all.
    newest = rows.order_by(Command.created_at.desc(), Command.id.desc()).limit(1_000)
    yield from (each for each in _with_text(db, newest) if each[0].startswith(begun.lower()))


def _hook_runs(db: Any, begun: str) -> Iterator[Named]:
    yield from _commands(db, begun, only="hook")


def _with_text(db: Any, rows: Any) -> Iterator[Named]:
    for name, *more in db.execute(rows):
        yield name, ", ".join(str(getattr(each, "value", each)) for each in more)


def _called(table: str) -> Callable[[Any, str], Iterable[Named]]:
    """Return the query for the names of a table."""

    def names(db: Any, begun: str) -> Iterator[Named]:
        from sqlalchemy import select  # only when a shell asks

        from certline import models  # same
        from certline.models.schedule import Schedule  # same

        row: Any = Schedule if table == "Schedule" else getattr(models, table)
        query = select(row.name).where(_begins(row.name, begun)).distinct().order_by(row.name)
        if table == "Account":
            query = query.where(row.status != "removed")
        if table in ("Organization", "Profile"):
            query = query.where(row.gone_at.is_(None))
        yield from ((name, None) for name in db.scalars(query.limit(MOST)))

    return names


def _webhooks(db: Any, begun: str) -> Iterator[Named]:
    from sqlalchemy import select  # only when a shell asks

    from certline.models import Webhook  # same

    for own_id, url in db.execute(select(Webhook.id, Webhook.url).order_by(Webhook.id)):
        if own_id.startswith(begun.upper()):
            yield own_id, url
        elif url.startswith(begun):
            yield url, None


QUERIES: dict[str, Callable[[Any, str], Iterable[Named]]] = {
    "account": _called("Account"),
    "organization": _called("Organization"),
    "profile": _called("Profile"),
    "hook": _called("Hook"),
    "notify": _called("NoticeRoute"),
    "dns": _called("DnsProvider"),
    "sender": _called("Sender"),
    "schedule": _called("Schedule"),
    "certificate": _certificates,
    "order": _orders,
    "renewal": _batches,
    "dead-letter": _letters,
    "command": _commands,
    "hook run": _hook_runs,
    "webhook": _webhooks,
}
