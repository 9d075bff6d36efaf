"""`certline certificate`: stored certificates, and their export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.certificates import listing
from certline.cli.certificates.delete import delete_certificate
from certline.cli.certificates.export import (
    BINARY,
    ENDINGS,
    FORMATS,
    KEYSTORES,
    WITH_ISSUERS,
    export_document,
    exported,
    preferred,
    promises_else,
    require_fitting_name,
)
from certline.cli.certificates.reissue_revoke import reissue, revoke
from certline.cli.certificates.renew import renew
from certline.cli.errors import Fault
from certline.cli.ui import detail
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_certificate
from certline.cli.ui.output import answer, as_json, say, whisper
from certline.cli.ui.secret_file import write
from certline.cli.waiting.approval import leave_waiting
from certline.models.documents.certificate import CertificateDocument
from certline.models.documents.projection import instant

if TYPE_CHECKING:
    from certline.models import AuditEntry, Certificate


@click.group(cls=Group)
def certificate() -> None:
    """Stored certificates: list, export, renew, reissue, revoke and delete them.

    CERT is a certificate's id, its serial number, or a common name that only one active certificate has.
    """


@certificate.command()
@click.argument("name", metavar="CERT")
def show(name: str) -> None:
    """Show everything about one certificate except its private key and its keystore's password."""
    from certline.models.audit.log import history
    from certline.models.renewals.hindrance import last_hindrance

    with context.database().transaction() as db:
        found = find_certificate(db, name)
        hindrance = last_hindrance(db, found)
        comments = _revocation_comments(history(db, found.id))
    file = f"{found.common_name.removeprefix('*.')}.{ENDINGS[preferred(found)]}"
    shown = CertificateDocument.of(found)
    document = shown.as_dict() | {
        "not_renewed": None if hindrance is None else hindrance.reason,
        "not_renewed_at": None if hindrance is None else instant(hindrance.at),
    }
    # An order's certificate is stored with its issuers; only a self-signed one has none.
    self_signed = not found.issuers
    answer(
        document,
        lambda: detail.certificate(
            shown, file, hindrance, self_signed=self_signed, comments=comments
        ),
    )


def _revocation_comments(entries: Sequence[AuditEntry]) -> str | None:
    """Return the comments of the revocation, or None. Only the audit log keeps them."""
    return next((each.why for each in entries if each.type == "certificate.revoked"), None)


@certificate.command()
@click.argument("name", metavar="CERT")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=str),
    metavar="FILE",
    help="The file to create, or - for standard output.",
)
@click.option(
    "--format",
    "chosen",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="Default: the keystore type that was ordered. pem: key, certificate and issuers; leaf or "
    "der: certificate; fullchain or pkcs7: certificate and issuers; chain: issuers.",
)
@click.option(
    "--legacy", is_flag=True, help="PKCS#12 with 3DES and SHA-1, for old Windows and Java."
)
@click.option(
    "--with-root",
    is_flag=True,
    help="With the root at the end of the issuers; servers needn't send it.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def export(
    name: str, output: str, chosen: str | None, *, legacy: bool, with_root: bool, force: bool
) -> None:
    """Write a certificate to a file that only you can read.

    If the private key is included, the export is recorded in the audit log, and may need the approval of a
    second person: certline approval show.
    """
    from certline.models.audit.log import record
    from certline.models.commands.approval import Guard, permit

    if output == "-" and as_json():
        raise click.UsageError("--output - and --json cannot both use standard output")
    with context.database().transaction() as db:
        found = find_certificate(db, name)
    chosen = _format_of(found, chosen, output, legacy=legacy, with_root=with_root)
    export_ = exported(
        context.database(), context.vault(), found, chosen, legacy=legacy, with_root=with_root
    )
    if export_.has_key:
        with context.database().transaction() as db:
            who, what = context.person(), f"certificate export {found.id} --format {chosen}"
            waits = permit(db, Guard.EXPORT_KEY, what, who)
            if waits is None:
                # Recorded before the file is written, so that no key leaves without an audit entry.
                record(db, "certificate.exported", found.id, who=who, format=chosen)
        if waits is not None:
            leave_waiting(waits)
    write(output, export_.content, force=force, is_text=chosen not in BINARY)
    if output == "-":
        return
    document = export_document(found, export_, chosen, output)
    answer(document, lambda: say(f"{chosen} of {found.common_name} written to {output}"))
    if export_.warning is not None:
        whisper(f"warning: some programs will not open the file: {export_.warning}")
    if chosen in KEYSTORES:
        whisper(f"Its password: certline certificate password {found.id}")
    elif export_.has_key:
        whisper("The private key in the file is not encrypted: keep it safe.")
    elif chosen == "pem":
        whisper("The private key is not stored: the file contains only the certificates.")


def _format_of(
    found: Certificate, chosen: str | None, output: str, *, legacy: bool, with_root: bool
) -> str:
    """Return the format of an export. Raises Fault, or UsageError if it does not go with the other options."""
    if chosen is None:
        chosen = preferred(found)
        require_fitting_name(found, chosen, output)
    elif promises_else(found, chosen, output):
        whisper(f"warning: {output} contains {chosen}; its name promises something else")
    if legacy and chosen != "pkcs12":
        raise click.UsageError(
            f"--legacy works only with --format pkcs12, and the format is {chosen}"
        )
    if with_root and chosen not in WITH_ISSUERS:
        raise click.UsageError(
            f"--with-root works only with formats that have issuers ({', '.join(sorted(WITH_ISSUERS))}), "
            f"and the format is {chosen}"
        )
    return chosen


@certificate.command()
@click.argument("name", metavar="CERT")
def password(name: str) -> None:
    """Print the keystore's password. The access is recorded in the audit log.

    It may need the approval of a second person: certline approval show.
    """
    from certline.models.audit.log import record
    from certline.models.commands.approval import Guard, permit
    from certline.models.database.secret_place import place_of

    with context.database().transaction() as db:
        found = find_certificate(db, name)
        if found.keystore_password_sealed is None:
            raise Fault(f"certificate {found.id} has no keystore password")
        place = place_of(found, "keystore_password_sealed")
        secret = context.vault().open(found.keystore_password_sealed, place).decode()
        who = context.person()
        waits = permit(db, Guard.EXPORT_KEY, f"certificate password {found.id}", who)
        if waits is None:
            record(db, "certificate.password_read", found.id, who=who)
    if waits is not None:
        leave_waiting(waits)
    answer({"certificate_id": found.id, "password": secret}, lambda: say(secret))


certificate.add_command(listing.certificates)
certificate.add_command(renew)
certificate.add_command(reissue)
certificate.add_command(revoke)
certificate.add_command(delete_certificate)
