"""`certline order`: orders of certificates at SCM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING
from certline.cli.orders import listing
from certline.cli.orders.cancel import cancel
from certline.cli.orders.delete import delete_order
from certline.cli.orders.resolve import resolve
from certline.cli.parameters.kinds import key_options, keystore_option
from certline.cli.parameters.number import Whole
from certline.cli.parameters.options import signing_request, uuid_text
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui import detail
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_order
from certline.cli.ui.output import answer, leave, say, whisper
from certline.cli.waiting.outlook import next_step, waits_for
from certline.cli.waiting.wait import started, wait_options
from certline.models.ciphers.place import IN_HAND
from certline.models.documents.audit import EventDocument
from certline.models.documents.command import CommandDocument
from certline.models.documents.order import OrderDocument
from certline.models.states import OrderStatus

if TYPE_CHECKING:
    from certline.models import Command, Order
    from certline.models.commands.payloads import OrderCommand


@click.group(cls=Group)
def order() -> None:
    """Orders: place, list, poll, resolve, cancel and delete them.

    ORDER is certline's id of the order, or `scm:SSLID` with SCM's id.
    """


@order.command()
@click.option(
    "--common-name", required=True, metavar="CN", help="The common name of the certificate."
)
@click.option(
    "--san", "sans", multiple=True, metavar="NAME", help="A further DNS name; repeatable."
)
@click.option(
    "--organization", required=True, metavar="ID|NAME", help="Organisation or department at SCM."
)
@click.option("--profile", required=True, metavar="ID|NAME", help="Certificate profile at SCM.")
@click.option(
    "--term", required=True, type=Whole(1, 36_500), metavar="DAYS", help="Lifetime in days."
)
@key_options(
    "RSA, or what the profile allows",
    "2048 for RSA and P-256 for EC, or what the profile allows",
)
@keystore_option(
    "The format in which the certificate will be exported.",
    default="PKCS12",
    show_default=True,
)
@click.option(
    "--keystore-password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the keystore's password. Default: a generated one.",
)
@click.option(
    "--comments", default="", metavar="TEXT", help="A comment for SCM, at most 1,024 characters."
)
@click.option(
    "--external-requester",
    "external_requesters",
    multiple=True,
    metavar="MAIL",
    help="An email address that SCM notifies too; repeatable.",
)
@click.option(
    "--custom-field",
    "custom_fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="A custom field of your customer account at SCM; repeatable.",
)
@click.option(
    "--csr",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Your own certificate signing request, in PEM or DER; its key stays with you.",
)
@click.option("--account", metavar="NAME", help="Required if there are several accounts.")
@click.option(
    "--command-id",
    metavar="UUID",
    callback=uuid_text,
    help="Your own id for this command; repeating it does not place a second order.",
)
@click.option(
    "--again", is_flag=True, help="Place a second order even if the same is already on order."
)
@click.option("--dry-run", is_flag=True, help="Only check the order; place nothing.")
@wait_options
def create(
    *, command_id: str | None, dry_run: bool, wait: bool, timeout: float | None, **given: Any
) -> None:
    """Order a certificate: generate its key and CSR, store them, and request it from SCM exactly once.

    If the same certificate (account, organisation, profile, names) is already on order, that order is
    reported and nothing is placed: exit 4, or with --wait the existing order is waited for.
    """
    from certline.producers.requests.orders import request_order

    wanted = _wanted(**given)
    if dry_run:
        _check_only(wanted)
        return
    accepted = request_order(
        context.database(),
        context.vault(),
        wanted,
        requested_by=context.person(),
        command_id=command_id,
    )
    for warning in accepted.warnings:
        whisper(f"warning: {warning}")
    if not accepted.new:
        whisper("This command was accepted before; nothing was placed again.")
    if accepted.already is not None:
        _already(accepted.command, accepted.already, wait=wait, timeout=timeout)
        return
    command = accepted.command
    say(f"order {command.subject} for {wanted.common_name} is {_placed_as(command)}")
    started([command], wait=wait, timeout=timeout)


def _already(command: Command, open_one: Order, *, wait: bool, timeout: float | None) -> None:
    from certline.models import Command

    at_scm = "" if open_one.scm_id is None else f", sslId {open_one.scm_id}"
    whisper(
        f"{open_one.common_name} is already ordered as {open_one.id} ({open_one.status}{at_scm}); "
        "to place a second one: --again"
    )
    if (wait or timeout is not None) and open_one.command_id is not None:
        with context.database().transaction() as db:
            command = db.get_one(Command, open_one.command_id)
        started([command], wait=True, timeout=timeout)
        return
    answer(CommandDocument.of(command), lambda: None)
    leave(NOTHING)


def _placed_as(command: Command) -> str:
    return str((command.result or {}).get("order_status", "placed"))


def _wanted(
    *,
    key_algorithm: str | None,
    key_size: str | None,
    keystore_password_file: TextFile | None,
    csr: Path | None,
    **given: Any,
) -> OrderCommand:
    from certline.models.commands.payloads import OrderCommand, read_payload
    from certline.producers.requests.orders import fields_of

    data = {name: value for name, value in given.items() if value is not None}
    for name in ("sans", "external_requesters"):
        data[name] = list(data[name])
    if csr is not None:
        if key_algorithm or key_size:
            raise click.UsageError("--csr has its own key: omit --key-algorithm and --key-size")
        data["csr"] = signing_request(csr, "--csr")
    data |= {"key_algorithm": key_algorithm, "key_size": key_size}
    try:
        data["custom_fields"] = fields_of(
            context.database(), data.get("account"), data["custom_fields"]
        )
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--custom-field") from None
    if keystore_password_file is not None:
        password = keystore_password_file.first_line()
        # The payload is stored with the command, so the password enters it encrypted.
        sealed = context.vault().seal(password.encode(), IN_HAND)
        data["keystore_password_sealed"] = sealed.decode()
    return read_payload(OrderCommand, data)


def _check_only(wanted: OrderCommand) -> None:
    from certline.producers.requests.orders import check_order

    warnings = check_order(context.database(), context.vault(), wanted)
    for warning in warnings:
        whisper(f"warning: {warning}")
    answer(
        {"ok": True, "common_name": wanted.common_name, "warnings": warnings},
        lambda: say(f"The order for {wanted.common_name} can be placed. Nothing was placed."),
    )


@order.command()
@click.argument("order_name", metavar="ORDER")
def show(order_name: str) -> None:
    """Show everything about one order, with its history."""
    from certline.models.audit.log import history
    from certline.models.database.session import clock

    with context.database().transaction() as db:
        row = find_order(db, order_name)
        found = OrderDocument.of(row)
        waits = waits_for(row, next_step(db, row), clock(db))
        events = [EventDocument.of(event) for event in history(db, found.id)]
    answer(found, lambda: detail.order(found, events, waits))


@order.command()
@click.argument("order_names", metavar="[ORDER]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every order that SCM has not issued yet.")
@wait_options
def poll(order_names: tuple[str, ...], *, every: bool, wait: bool, timeout: float | None) -> None:
    """Poll SCM for the status of orders now. Exits 4 if none is pending."""
    from certline.models.orders.order import orders
    from certline.producers.requests.orders import request_polls

    if every == bool(order_names):
        raise click.UsageError("name the orders, or use --all")
    with context.database().transaction() as db:
        named = (
            orders(db, [OrderStatus.PENDING])
            if every
            else [find_order(db, name) for name in order_names]
        )
    for row in named:
        if row.status is not OrderStatus.PENDING:
            whisper(f"order {row.id} is {row.status}: there is nothing to poll")
    polls = request_polls(
        context.database(), [row.id for row in named], requested_by=context.person()
    )
    if not polls:
        answer([], lambda: say("No order is pending."))
        leave(NOTHING)
    started(polls, wait=wait, timeout=timeout, as_list=True)


order.add_command(listing.orders)
order.add_command(resolve)
order.add_command(cancel)
order.add_command(delete_order)
