"""The certificates that a renewal is about: named, listed in a file, or selected by their properties."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from certline.cli import context
from certline.cli.certificates.reissue_revoke import certificates_named
from certline.cli.errors import NOTHING, WRONG_USE, Fault
from certline.cli.parameters.options import without_key
from certline.cli.parameters.text_file import TextFile
from certline.cli.ui.listing import places
from certline.cli.ui.lookup import find_certificate
from certline.models.states import CertificateStatus

if TYPE_CHECKING:
    from certline.models import Certificate

# The options that select stored certificates by their properties.
FILTERS = ("expires_within", "issuer", "account", "organization", "profile", "name")


def chosen(
    names: Sequence[str], listed: TextFile | None, filters: dict[str, Any]
) -> list[Certificate]:
    """Return the certificates in the order of renewal: as named, or those that expire first on top."""
    from certline.models import Certificate, Narrowing
    from certline.models.listing import certificates_listed

    if names:
        return certificates_named(names)
    if listed is not None:
        return _of_list(listed)
    with context.database().transaction() as db:
        own = {name: filters[name] for name in ("expires_within", "issuer", "name")}
        here = {name: filters[name] for name in ("account", "organization", "profile")}
        wanted = Narrowing(statuses=(CertificateStatus.ACTIVE.value,), **own, **places(db, **here))
        query = certificates_listed(wanted).order_by(Certificate.not_after, Certificate.id)
        found = list(db.scalars(query))
    if not found:
        raise Fault("no active certificate matches", code=NOTHING)
    return found


def _of_list(listed: TextFile) -> list[Certificate]:
    """Return the certificates that a file names, one per line; `#` starts a comment.

    Raises Fault, with every line that names no stored certificate.
    """
    from certline.models.certificates.certificate import SeveralCertificatesError

    found: dict[str, Certificate] = {}
    problems = []
    with context.database().transaction() as db:
        # As a whole: an error text would repeat the lines of a key.
        lines = without_key(listed.text(), "--file").split("\n")
        for number, text in enumerate(lines, 1):
            name = text.partition("#")[0].strip()
            if not name:
                continue
            try:
                certificate = find_certificate(db, name)
            except (Fault, SeveralCertificatesError) as wrong:
                problems.append(f"line {number}: {wrong}")
            else:
                found[certificate.id] = certificate
    if problems:
        count = len(problems)
        raise Fault(
            f"{count} {'line names' if count == 1 else 'lines name'} no stored certificate:",
            code=WRONG_USE,
            problems=problems,
        )
    if not found:
        raise Fault("the file names no certificate", code=NOTHING)
    return list(found.values())


def in_words(names: Sequence[str], listed: TextFile | None, filters: dict[str, Any]) -> str:
    """Return the selection as the user typed it, to be stored with the batch."""
    # Up to three names are listed; the text is meant for people, not to be run again.
    words = list(names) if len(names) <= 3 else [f"{len(names)} certificates"]
    if listed is not None:
        words += ["--file", listed.name]
    for name in FILTERS:
        value = filters[name]
        if value is not None:
            text = value.days if isinstance(value, timedelta) else value
            words += [f"--{name.replace('_', '-')}", str(text)]
    return shlex.join(words)
