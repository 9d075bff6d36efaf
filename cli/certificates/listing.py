"""`certline certificate list`."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
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
    with_account,
)
from certline.cli.ui.lookup import find_certificate
from certline.models.documents.certificate import CertificateDocument
from certline.models.documents.projection import day_and_distance, minute, minute_and_distance
from certline.models.states import CertificateStatus

if TYPE_CHECKING:
    from certline.models import Narrowing


def _key(row: CertificateDocument) -> str:
    missing = ", key lost" if row.key_lost else "" if row.has_private_key else ", no key"
    return f"{row.key_algorithm} {row.key_size}{missing}"


def _expiry_style(row: CertificateDocument) -> str:
    return style_of_end(row.not_after) if row.status is CertificateStatus.ACTIVE else "dim"


CERTIFICATES = [
    Column[CertificateDocument]("certificate", lambda row: row.id),
    Column[CertificateDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[CertificateDocument]("common name", lambda row: row.common_name, may_be_cut=True),
    Column[CertificateDocument]("key", _key, rank=1),
    Column[CertificateDocument]("sslId", lambda row: row.scm_id, rank=2),
    Column[CertificateDocument](
        "expires (UTC)",
        lambda row: minute_and_distance(row.not_after),
        style=_expiry_style,
        short=lambda row: day_and_distance(row.not_after),
    ),
    Column[CertificateDocument]("renews", lambda row: minute(row.renews_at), rank=3),
]


@click.command("list", cls=CliCommand)
@status_option(status.value for status in CertificateStatus)
@days("--expires-within", "Only active certificates that expire within this many days.")
@place_options
@click.option(
    "--any-name",
    metavar="PATTERN",
    help="Only certificates of which one name, common or further, matches; reads all of them.",
)
@click.option(
    "--key-lost",
    is_flag=True,
    help="Only active certificates whose key was lost with a restored database: they need a reissue.",
)
@view_options("status", "expires", "name", "stored")
def certificates(
    *,
    statuses: tuple[str, ...],
    expires_within: timedelta | None,
    name: str | None,
    any_name: str | None,
    key_lost: bool,
    view: ListView,
    **given: Any,
) -> None:
    """List certificates: the active ones, those that expire first on top, then those of the past."""
    from certline.models import Narrowing
    from certline.models.accounts.account import accounts
    from certline.models.listing import certificates_listed

    with context.database().transaction() as db:
        wanted = Narrowing(
            statuses=statuses,
            expires_within=expires_within,
            name=name,
            any_name=any_name,
            key_lost=key_lost,
            **places(db, **given),
        )
        names = {row.id: row.name for row in accounts(db, removed=True)}
    show_pages(
        certificates_listed(wanted),
        view,
        find=find_certificate,
        document=CertificateDocument.of,
        columns=with_account(CERTIFICATES, names),
        empty=_empty(wanted),
    )


def _empty(wanted: Narrowing) -> str:
    from certline.models import Narrowing

    if wanted == Narrowing():
        return "No certificate is stored yet. To list the orders: certline order list"
    none = "There is no such certificate."
    if wanted.name is None or wanted.any_name is not None:
        return none
    return f"{none} --name reads common names; for all names: --any-name {shlex.quote(wanted.name)}"
