"""`certline keys`: the secret keys of this installation, and their rotation."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, NOTHING
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, as_json, leave, say, table, whisper
from certline.models.documents.projection import minute
from certline.models.validation import OPENS_DAYS

if TYPE_CHECKING:
    from certline.models.sealing.key_pair import SealingKey
    from certline.producers.requests.secret_keys import KeyUse, Rotation

# Unreadable rows that are named, at most.
MOST_NAMED = 5


@click.group(cls=Group)
def keys() -> None:
    """The secret keys of this installation, and their rotation.

    They are the keys in CERTLINE_SECRET_KEY, newest first. A key is shown as twelve hex digits, which
    reveal nothing about it.
    """


@keys.command()
def new() -> None:
    """Print a new secret key. It is stored nowhere, and needs neither settings nor a database.

    In a file: ( umask 077; certline keys new > secret.key )
    """
    from certline.models.vault import new_key

    key = new_key()
    answer({"secret_key": key}, lambda: say(key))
    whisper("Keep a copy outside this machine: without the key, no stored secret can be read.")


@keys.command()
def status() -> None:
    """Show the keys, how many secrets each one encrypts, and which may be removed.

    Exits 1 if a stored secret can be decrypted with none of them, or a key of the installation is missing.
    """
    from certline.models.key_proof import key_fault
    from certline.producers.requests.secret_keys import key_uses, pair_states

    database, vault = context.database(), context.unproven_vault()
    with (
        database.transaction() as db
    ):  # first: it tells the vault which unbound secrets are refused
        fault = key_fault(db, vault)
    uses, unreadable = key_uses(database, vault)
    pairs = pair_states(database)
    answer(_document(uses, unreadable) | _pairs(pairs), lambda: _show(uses, pairs))
    _complain(unreadable)
    if fault is not None:
        whisper(fault)
    leave(FAILED if unreadable or fault is not None else DONE)


@keys.command()
def rotate() -> None:
    """Re-encrypt every stored secret with the newest key, bound to its row, while certline keeps running.

    First put the new key before the old one, for every part, and restart all parts. After a change of the key
    there is a new key pair for sealing, too (certline keys public). If the rotation is killed, start it again.
    Exits 4 if there was nothing to do, 1 if secrets are left.
    """
    from certline.producers.requests.secret_keys import (
        Rotation,
        key_uses,
        pair_states,
        require_bound,
        retire_keys,
    )

    database, vault = context.database(), context.vault()
    rotation = Rotation(database, vault, who=context.person(), tell=_progress)
    rotation.run()
    uses, unreadable = key_uses(database, vault)
    retire_keys(database, uses, who=context.person())
    bound = [] if rotation.busy else require_bound(database, vault, uses, who=context.person())
    rotated = {place: n for place, n in sorted(rotation.renewed.items()) if n}
    document = {"rotated": rotated, **_document(uses, unreadable), **_pairs(pair_states(database))}
    answer(document, lambda: _ended(rotation, uses))
    _complain(unreadable, rotation.unreadable)
    if rotation.busy:
        whisper(f"{rotation.busy} rows were locked throughout: run the rotation again.")
    # Counted again after the rotation: a part still running with the old key may have added
    # secrets.
    left = bool(unreadable) or any(
        use.unbound or (use.secrets and not use.is_newest) for use in uses
    )
    done = DONE if rotation.renewed.total() or rotation.pair or bound else NOTHING
    leave(FAILED if left else done)


@keys.command()
@click.option("--new", "make_new", is_flag=True, help="Make a new pair first.")
@click.option(
    "--old-opens-for",
    type=Whole(0, 3_650),
    metavar="DAYS",
    help=f"With --new: how long texts are taken that were sealed with the key before. Default: {OPENS_DAYS}.",
)
def public(*, make_new: bool, old_opens_for: int | None) -> None:
    """Print the public key (PEM) with which other systems seal passwords; the first call makes the pair.

    It opens nothing, and may be given to anybody. In a file: certline keys public > sealing.pem
    """
    from certline.producers.requests.secret_keys import current_public_key

    if old_opens_for is not None and not make_new:
        raise click.UsageError("--old-opens-for goes with --new")
    key = current_public_key(
        context.database(),
        context.vault(),
        new=make_new,
        days=OPENS_DAYS if old_opens_for is None else old_opens_for,
        who=context.person(),
    )
    pem = key.pem.decode()
    answer({"id": key.id, "public_key": pem}, lambda: say(pem.rstrip("\n")))
    if key.new:
        whisper(f"The key pair {key.id} was made now.")


@keys.command()
@click.argument("key", metavar="KEY")
def forget(key: str) -> None:
    """Give up a secret key that is lost, so that certline starts without it. Its secrets stay unreadable.

    KEY is its name, as messages and `certline doctor` show it, or `unknown`. Exits 4 if no such key is in use.
    """
    from certline.producers.requests.secret_keys import forget_key, key_uses

    database, vault = context.database(), context.unproven_vault()
    forgotten = forget_key(database, vault, key.lower(), who=context.person())
    _, unreadable = key_uses(database, vault)
    document = {"forgotten": key.lower() if forgotten else None, "unreadable": dict(unreadable)}
    answer(document, lambda: say(_told(key.lower()) if forgotten else f"No key {key} is in use."))
    _complain(unreadable)
    leave(DONE if forgotten else NOTHING)


def _told(key: str) -> str:
    from certline.producers.requests.secret_keys import UNKNOWN

    which = "The lost key" if key == UNKNOWN else f"Key {key}"
    return (
        f"{which} is given up. Enter logins again (certline account verify NAME --new-password), and reissue "
        "the certificates whose keys cannot be read."
    )


def _document(uses: Sequence[KeyUse], unreadable: Mapping[str, int]) -> dict[str, object]:
    return {
        "keys": [
            {
                "key": use.key,
                "newest": use.is_newest,
                "secrets": use.secrets,
                "unbound": use.unbound,
                "may_be_removed": use.may_go,
                "used_in": dict(use.used_in),
            }
            for use in uses
        ],
        "unreadable": dict(unreadable),
    }


def _pairs(pairs: Sequence[SealingKey]) -> dict[str, object]:
    return {
        "public_keys": [
            {
                "id": pair.id,
                "current": pair.opens_until is None,
                "created_at": pair.created_at.isoformat(),
                "opens_until": pair.opens_until and pair.opens_until.isoformat(),
            }
            for pair in pairs
        ]
    }


def _show(uses: Sequence[KeyUse], pairs: Sequence[SealingKey]) -> None:
    rows = [(use.key, use.secrets, use.unbound, _standing(use)) for use in uses]
    table(["key", "secrets", "not bound", ""], rows, empty="There are no keys.")
    if pairs:
        say("")
        table(["public key", "made (UTC)", ""], [_row_of(pair) for pair in pairs], empty="")


def _row_of(pair: SealingKey) -> tuple[str, str | None, str]:
    until = "current: certline keys public prints it"
    if pair.opens_until is not None:
        until = f"opens what it has sealed until {minute(pair.opens_until)} UTC"
    return pair.id, minute(pair.created_at), until


def _standing(use: KeyUse) -> str:
    if use.is_newest and use.unbound:
        return "newest: encrypts new secrets; certline keys rotate binds the others to their rows"
    if use.is_newest:
        return "newest: encrypts new secrets"
    if use.parts:
        return f"still used: restart {', '.join(use.parts)} with the new key, then certline keys rotate"
    return "may be removed" if use.may_go else "still needed: certline keys rotate"


def _ended(rotation: Rotation, uses: Sequence[KeyUse]) -> None:
    total = rotation.renewed.total()
    say(
        f"{total:,} secrets are now encrypted with key {uses[0].key}."
        if total
        else "There was nothing to do."
    )
    if rotation.pair is not None:
        say(
            f"Other systems seal passwords with the new public key {rotation.pair.id}: certline keys public. "
            "Until when the one before opens, certline keys status says."
        )
    for use in uses:
        if use.may_go:
            say(
                f"Key {use.key} may be removed once every part runs with the new one. "
                "Keep it for as long as you keep older backups."
            )


def _complain(
    unreadable: Mapping[str, int], rows: Mapping[str, Sequence[str]] | None = None
) -> None:
    for place, count in unreadable.items():
        named = ", ".join((rows or {}).get(place, ())[:MOST_NAMED])
        where = f" ({named}{', …' if count > MOST_NAMED else ''})" if named else ""
        whisper(
            f"{place}: {count} secrets can be decrypted with none of these keys, or were moved{where}"
        )


def _progress(renewed: int) -> None:
    if renewed and sys.stderr.isatty() and not as_json():
        whisper(f"{renewed:,} secrets so far")
