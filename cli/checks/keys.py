"""Checks of the secret keys: that they can be read, are those of the installation, and open what is stored."""

from certline.cli import context
from certline.cli.checks.result import Finding
from certline.cli.explain import OTHER_KEY
from certline.models.file_rights import rights_of


def check_secret_key() -> Finding:
    """Check that the secret key can be read."""
    said = f"readable: {', '.join(context.unproven_vault().keys)}"
    settings = context.settings()
    file = settings.secret_key_file
    if settings.secret_key is not None or file is None:
        return Finding("secret key", True, said)
    warning = rights_of(file).warning
    if warning is None:
        return Finding("secret key", True, said)
    advice = "if other users have an account there, or a container of theirs mounts it: mode 0400"
    return Finding("secret key", True, f"{said}; {warning}", advice)


def check_stored_secrets() -> Finding:
    """Check that the secret keys are those of the installation, and that the newest secrets can be decrypted."""
    from sqlalchemy import select

    from certline.models import PrivateKey
    from certline.models.accounts.account import accounts
    from certline.models.database.secret_place import place_of
    from certline.models.key_proof import key_fault, keys_in_use

    vault = context.unproven_vault()
    with context.database().transaction() as db:
        fault, in_use = key_fault(db, vault), keys_in_use(db)
        rows = accounts(db)
        key = db.scalar(select(PrivateKey).order_by(PrivateKey.created_at.desc()).limit(1))
    if fault is not None:
        return Finding("stored secrets", False, fault, OTHER_KEY)
    # A sample: `keys status` counts all of them. The vault raises WrongSecretKeyError if no key opens one.
    for row in rows:
        if row.secret_sealed is not None:
            vault.open(row.secret_sealed, place_of(row, "secret_sealed"))
    if key is not None:
        vault.open(key.pem_sealed, place_of(key, "pem_sealed"))
    names = ", ".join(in_use) or "none has been used yet"
    return Finding("stored secrets", True, f"decrypted; keys in use: {names}")
