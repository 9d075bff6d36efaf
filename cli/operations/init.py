"""`certline init`: creates the tables and, in embedded mode, the secret key."""

import rich_click as click

from certline.cli import context
from certline.cli.ui.documents import LicenseDocument
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, facts, say, whisper
from certline.models.certificates.license import license_use
from certline.models.database.migrate import behind, upgrade
from certline.models.server_url import without_password
from certline.models.vault import NoSecretKeyError


@click.command(cls=CliCommand)
def init() -> None:
    """Prepare the database and, in embedded mode, the secret key; safe to repeat."""
    database, settings = context.database(), context.settings()
    migrated = behind(database)
    if migrated:  # False too if the tables are those of a newer version
        upgrade(database.url)
    where = str(settings.home / "postgres") if settings.embedded else without_password(database.url)
    key = _secret_key()
    with database.transaction() as db:
        use = license_use(db)
    document = {
        "database": where,
        "embedded": settings.embedded,
        "migrated": migrated,
        "secret_key": key,
        "license": LicenseDocument.of(use),
    }
    people = {
        "database": where,
        "tables": "migrated to this version" if migrated else "already those of this version",
        "secret key": key or "none",
        "licence": f"{use.used} of {use.capacity} in use (certline license set N)",
    }
    answer(document, lambda: facts(people))
    say("\nNext: certline account add NAME --url URL --customer-uri URI --login LOGIN")


def _secret_key() -> str | None:
    settings = context.settings()
    made = settings.home / "secret.key"
    # Opening the vault creates the embedded key, so whether it is new has to be known first.
    before = made.exists()
    try:
        context.vault()
    except NoSecretKeyError as error:
        # The tables need no secret key, but all further work does.
        whisper(f"warning: {error}")
        return None
    if settings.secret_key is not None:
        return "CERTLINE_SECRET_KEY"
    if settings.secret_key_file is not None:
        return str(settings.secret_key_file)
    if not before:
        whisper(
            f"The secret key {made} was created. Keep a copy: without it no stored key can be read."
        )
    return str(made)
