"""`certline certificate reissue` and `revoke`: changes to certificates at SCM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.errors import NOTHING
from certline.cli.parameters.kinds import key_options, keystore_option
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_certificate
from certline.cli.ui.output import answer, leave, say, whisper
from certline.cli.ui.warnings import tell_warnings
from certline.cli.waiting.wait import started, wait_options
from certline.models.ciphers.place import IN_HAND
from certline.models.documents.command import CommandDocument
from certline.models.documents.projection import minute

if TYPE_CHECKING:
    from certline.models import Certificate, Command, Order
    from certline.producers.requests.acceptance import Accepted


@click.command(cls=CliCommand)
@click.argument("name", metavar="CERT")
@click.option(
    "--reason", required=True, metavar="TEXT", help="The reason, for SCM; at most 512 characters."
)
@click.option(
    "--common-name", metavar="CN", help="A new common name; the further names stay the same."
)
@click.option(
    "--san",
    "sans",
    multiple=True,
    metavar="NAME",
    help="A further DNS name; repeatable. Replaces all present further names.",
)
@click.option(
    "--without-other-names",
    is_flag=True,
    help="Reissue it although the new certificate may lack its IP addresses, mail addresses and URIs.",
)
@key_options("as before", "as before")
@keystore_option("Default: as before.")
@click.option(
    "--keystore-password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the keystore's password. Default: a newly generated one.",
)
@click.option(
    "--revoke-old-after",
    metavar="DURATION",
    help="Revoke the old certificate this long after the new one is stored: 0, 12h, 7d.",
)
@wait_options
def reissue(
    name: str,
    *,
    keystore_password_file: TextFile | None,
    wait: bool,
    timeout: float | None,
    **given: Any,
) -> None:
    """Reissue a certificate with a new key; its expiry and its sslId stay the same.

    The old certificate is revoked only by --revoke-old-after, or by `certline certificate revoke` with its
    serial number.
    """
    from certline.models.commands.payloads import ReissueCommand, read_payload
    from certline.producers.requests import certificates

    data = {key: value for key, value in given.items() if value}
    if keystore_password_file is not None:
        password = keystore_password_file.first_line()
        sealed = context.vault().seal(password.encode(), IN_HAND)
        data["keystore_password_sealed"] = sealed.decode()
    (found,) = certificates_named((name,))
    # None keeps the present names, while an empty list would ask for a certificate without them.
    data |= {"certificate": found.id, "sans": list(given["sans"]) or None}
    wanted = read_payload(ReissueCommand, data)
    accepted = certificates.request_successor(
        context.database(), context.vault(), wanted, requested_by=context.person()
    )
    answer_placed([accepted], [found.common_name], wait=wait, timeout=timeout)


@click.command(cls=CliCommand)
@click.argument("name", metavar="CERT")
@click.option(
    "--comments", required=True, metavar="TEXT", help="The reason, for SCM; at most 512 characters."
)
@click.option(
    "--reason-code",
    type=click.Choice(
        [
            "unspecified",
            "key-compromise",
            "affiliation-changed",
            "superseded",
            "cessation-of-operation",
        ]
    ),
    default="unspecified",
    show_default=True,
    help="The revocation reason that the CA publishes.",
)
@click.option("--yes", is_flag=True, help="Revoke without asking; required without a terminal.")
@wait_options
def revoke(
    name: str, *, comments: str, reason_code: str, yes: bool, wait: bool, timeout: float | None
) -> None:
    """Revoke a certificate. This cannot be undone.

    CERT may also be an order, even one that is held for want of a licence. Asks first.
    """
    from certline.models import Order
    from certline.models.commands.payloads import RevokeCommand, read_payload
    from certline.producers.requests import certificates

    found = _to_revoke(name)
    which = "order" if isinstance(found, Order) else "certificate"
    data = {which: found.id, "comments": comments, "reason_code": reason_code}
    wanted = read_payload(RevokeCommand, data)
    confirm(
        _in_words(found),
        "Revoke this certificate? This cannot be undone.",
        yes=yes,
        declined="nothing was revoked",
    )
    accepted = certificates.request_revocation(
        context.database(), wanted, requested_by=context.person()
    )
    started([accepted.command], wait=wait, timeout=timeout)


def certificates_named(names: Iterable[str]) -> list[Certificate]:
    """Return the certificates that the user named, without duplicates. Raises Fault."""
    with context.database().transaction() as db:
        found = [find_certificate(db, name) for name in names]
    return list({certificate.id: certificate for certificate in found}.values())


def _to_revoke(name: str) -> Certificate | Order:
    """Return the certificate that is named, directly or by its order; an order without a certificate itself.

    Raises Fault.
    """
    from certline.models import Certificate
    from certline.models.orders.order import order_known_as

    with context.database().transaction() as db:
        order = order_known_as(db, name)
        if order is None:
            return find_certificate(db, name)
        if order.certificate_id is None:
            return order
        return db.get_one(Certificate, order.certificate_id)


def _in_words(found: Certificate | Order) -> str:
    from certline.models import Order

    if isinstance(found, Order):
        return f"{found.common_name}, SCM's {found.scm_id}, serial number {found.scm_serial}"
    return (
        f"{found.common_name}, serial number {found.serial_number}, valid until "
        f"{minute(found.not_after)} UTC, {found.status}"
    )


def answer_placed(
    accepted: list[Accepted], names: Iterable[str], *, wait: bool, timeout: float | None
) -> None:
    """Print the result for orders that were placed or already existed, and exit.

    `names`: the common names of the certificates that they succeed.
    """
    tell_warnings(zip(names, (each.warnings for each in accepted), strict=True))
    for each in accepted:
        if each.already is None:
            say(f"order {each.command.subject} is placed")
        else:
            whisper(
                f"{each.already.common_name}: already on order as {each.already.id} "
                f"({each.already.status})"
            )
    commands = [each.command for each in accepted]
    if wait or timeout is not None:
        # This call exits, so the rest runs only without --wait.
        started([_awaited(each) for each in accepted], wait=True, timeout=timeout)
    if all(each.already is not None for each in accepted):
        documents = [CommandDocument.of(command) for command in commands]
        answer(documents[0] if len(documents) == 1 else documents, lambda: None)
        leave(NOTHING)
    started(commands, wait=False, timeout=None)


def _awaited(accepted: Accepted) -> Command:
    """Return the command to wait for: that of the existing order if there is one."""
    from certline.models import Command

    if accepted.already is None or accepted.already.command_id is None:
        return accepted.command
    with context.database().transaction() as db:
        return db.get_one(Command, accepted.already.command_id)
