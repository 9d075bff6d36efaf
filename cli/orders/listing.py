"""The list commands of orders, certificates, commands and dead letters."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import rich_click as click

from certline.cli import context
from certline.cli.ui.documents import (
    certificate_document,
    command_document,
    dead_letter_document,
    minute,
    order_document,
)
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.grid import Column, style_of, style_of_end
from certline.cli.ui.listing import (
    ListView,
    days,
    place_options,
    places,
    show_pages,
    status_option,
    view_options,
)
from certline.cli.ui.lookup import find_certificate, find_command, find_dead_letter, find_order
from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    DeadLetter,
    DeadLetterStatus,
    Narrowing,
    Order,
    OrderStatus,
)
from certline.models.accounts.account import accounts
from certline.models.imports.run import show_progress
from certline.models.listing import (
    certificates_listed,
    commands_listed,
    dead_letters_listed,
    orders_listed,
)
from certline.models.states import OPEN


def with_account(columns: list[Column[Any]], names: Mapping[int, str]) -> list[Column[Any]]:
    """Return a list's columns, with the account as the third one if there are several accounts."""
    if len(names) < 2:
        return columns
    account = Column[Any]("account", lambda row: names[row.account_id], rank=1, may_be_cut=True)
    return [*columns[:2], account, *columns[2:]]


ORDERS = [
    Column[Order]("order", lambda row: row.id),
    Column[Order]("status", lambda row: row.status, style=lambda row: style_of(row.status)),
    Column[Order]("sslId", lambda row: row.scm_id, rank=2),
    Column[Order]("common name", lambda row: row.common_name, may_be_cut=True),
    Column[Order]("organization", lambda row: row.organization_name, rank=4, may_be_cut=True),
    Column[Order]("profile", lambda row: row.profile_name, rank=5, may_be_cut=True),
    Column[Order]("kind", lambda row: row.kind, rank=3),
    Column[Order]("changed (UTC)", lambda row: minute(row.updated_at), rank=1),
]


@click.command("list", cls=CliCommand)
@status_option(status.value for status in OrderStatus)
@click.option("--open", "still_open", is_flag=True, help="Only orders that have not ended.")
@place_options
@view_options("created", "changed", "name")
def orders(
    *, statuses: tuple[str, ...], still_open: bool, name: str | None, view: ListView, **given: Any
) -> None:
    """List orders, the newest first."""
    if still_open and statuses:
        raise click.UsageError("--open and --status do not go together")
    states = tuple(status.value for status in OPEN) if still_open else statuses
    with context.database().transaction() as db:
        wanted = Narrowing(statuses=states, name=name, **places(db, **given))
        names = {row.id: row.name for row in accounts(db, removed=True)}
    show_pages(
        orders_listed(wanted),
        view,
        find=find_order,
        document=order_document,
        columns=with_account(ORDERS, names),
        empty="There are no orders yet. To place one: certline order create --help"
        if wanted == Narrowing()
        else "There is no such order.",
    )


def _key(row: Certificate) -> str:
    return f"{row.key_algorithm} {row.key_size}{'' if row.key_id else ', no key'}"


def _expiry_style(row: Certificate) -> str:
    return style_of_end(row.not_after) if row.status is CertificateStatus.ACTIVE else "dim"


CERTIFICATES = [
    Column[Certificate]("certificate", lambda row: row.id),
    Column[Certificate]("status", lambda row: row.status, style=lambda row: style_of(row.status)),
    Column[Certificate]("common name", lambda row: row.common_name, may_be_cut=True),
    Column[Certificate]("key", _key, rank=1),
    Column[Certificate]("sslId", lambda row: row.scm_id, rank=2),
    Column[Certificate]("expires (UTC)", lambda row: minute(row.not_after), style=_expiry_style),
    Column[Certificate]("renews", lambda row: minute(row.renews_at), rank=3),
]


@click.command("list", cls=CliCommand)
@status_option(status.value for status in CertificateStatus)
@days("--expires-within", "Only active certificates that expire within this many days.")
@place_options
@view_options("expires", "name", "stored")
def certificates(
    *,
    statuses: tuple[str, ...],
    expires_within: timedelta | None,
    name: str | None,
    view: ListView,
    **given: Any,
) -> None:
    """List certificates, those that expire first on top."""
    with context.database().transaction() as db:
        wanted = Narrowing(
            statuses=statuses, expires_within=expires_within, name=name, **places(db, **given)
        )
        names = {row.id: row.name for row in accounts(db, removed=True)}
    show_pages(
        certificates_listed(wanted),
        view,
        find=find_certificate,
        document=certificate_document,
        columns=with_account(CERTIFICATES, names),
        empty="No certificate is stored yet. To list the orders: certline order list"
        if wanted == Narrowing()
        else "There is no such certificate.",
    )


COMMANDS = [
    Column[Command]("command", lambda row: row.id),
    Column[Command]("type", lambda row: row.type),
    Column[Command]("status", lambda row: row.status, style=lambda row: style_of(row.status)),
    Column[Command]("subject", lambda row: row.subject, rank=1),
    Column[Command]("requested (UTC)", lambda row: minute(row.created_at), rank=2),
    Column[Command]("by", lambda row: row.requested_by, rank=3, may_be_cut=True),
    Column[Command]("error", lambda row: row.error, rank=4, may_be_cut=True),
]


@click.command("list", cls=CliCommand)
@status_option(status.value for status in CommandStatus)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in CommandType]),
    help="Only commands of this type; repeatable.",
)
@click.option("--subject", metavar="ID", help="Only commands about this order or certificate.")
@view_options("created")
def commands(
    *, statuses: tuple[str, ...], types: tuple[str, ...], subject: str | None, view: ListView
) -> None:
    """List commands, the newest first."""
    wanted = Narrowing(statuses=statuses, types=types, subject=subject)
    show_pages(
        commands_listed(wanted),
        view,
        find=find_command,
        fill=show_progress,
        document=command_document,
        columns=COMMANDS,
        empty="There are no commands yet. Start with: certline sync --wait"
        if wanted == Narrowing()
        else "There is no such command.",
    )


LETTERS = [
    Column[DeadLetter]("letter", lambda row: row.id),
    Column[DeadLetter]("from", lambda row: row.source, rank=2, may_be_cut=True),
    Column[DeadLetter]("status", lambda row: row.status, style=lambda row: style_of(row.status)),
    Column[DeadLetter]("received (UTC)", lambda row: minute(row.received_at), rank=1),
    Column[DeadLetter]("why", lambda row: row.reason[:200], may_be_cut=True),
]


@click.command("list", cls=CliCommand)
@click.option("--all", "every", is_flag=True, help="Also those that were replayed or dropped.")
@view_options("came")
def dead_letters(*, every: bool, view: ListView) -> None:
    """List dead letters that wait for a decision, the newest first."""
    states = () if every else (DeadLetterStatus.WAITING.value,)
    show_pages(
        dead_letters_listed(Narrowing(statuses=states)),
        view,
        find=find_dead_letter,
        document=dead_letter_document,
        columns=LETTERS,
        empty="There are no dead letters." if every else "No dead letter waits for a decision.",
    )
