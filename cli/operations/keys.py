"""`certline keys`: the secret keys of this installation, and their rotation."""

import sys
from collections.abc import Mapping, Sequence

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, NOTHING
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, as_json, leave, say, table, whisper
from certline.models.vault import new_key
from certline.producers.requests.secret_keys import KeyUse, Rotation, key_uses

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
    key = new_key()
    answer({"secret_key": key}, lambda: say(key))
    whisper("Keep a copy outside this machine: without the key, no stored secret can be read.")


@keys.command()
def status() -> None:
    """Show the keys, how many secrets each one encrypts, and which may be removed.

    Exits 1 if a stored secret can be decrypted with none of them.
    """
    uses, unreadable = key_uses(context.database(), context.vault())
    answer(_document(uses, unreadable), lambda: _show(uses))
    _complain(unreadable)
    leave(FAILED if unreadable else DONE)


@keys.command()
def rotate() -> None:
    """Re-encrypt every stored secret with the newest key, while certline keeps running.

    First put the new key before the old one, for every part, and restart all parts. If the rotation is
    killed, start it again. Exits 4 if there was nothing to do, 1 if secrets are left.
    """
    database, vault = context.database(), context.vault()
    rotation = Rotation(database, vault, who=context.person(), tell=_progress)
    rotation.run()
    uses, unreadable = key_uses(database, vault)
    document = {"rotated": {place: n for place, n in sorted(rotation.renewed.items()) if n}}
    answer(document | _document(uses, unreadable), lambda: _ended(rotation, uses))
    _complain(unreadable, rotation.unreadable)
    if rotation.busy:
        whisper(f"{rotation.busy} rows were locked throughout: run the rotation again.")
    # Counted again after the rotation: a part still running with the old key may have added
    # secrets.
    left = bool(unreadable) or any(use.secrets for use in uses if not use.is_newest)
    done = DONE if rotation.renewed.total() else NOTHING
    leave(FAILED if left else done)


def _document(uses: Sequence[KeyUse], unreadable: Mapping[str, int]) -> dict[str, object]:
    return {
        "keys": [
            {
                "key": use.key,
                "newest": use.is_newest,
                "secrets": use.secrets,
                "may_be_removed": use.may_go,
                "used_in": dict(use.used_in),
            }
            for use in uses
        ],
        "unreadable": dict(unreadable),
    }


def _show(uses: Sequence[KeyUse]) -> None:
    rows = [(use.key, use.secrets, _standing(use)) for use in uses]
    table(["key", "secrets", ""], rows, empty="There are no keys.")


def _standing(use: KeyUse) -> str:
    if use.is_newest:
        return "newest: encrypts new secrets"
    return "may be removed" if use.may_go else "still needed: certline keys rotate"


def _ended(rotation: Rotation, uses: Sequence[KeyUse]) -> None:
    total = rotation.renewed.total()
    say(
        f"{total:,} secrets are now encrypted with key {uses[0].key}."
        if total
        else "There was nothing to do."
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
        whisper(f"{place}: {count} secrets can be decrypted with none of these keys{where}")


def _progress(renewed: int) -> None:
    if renewed and sys.stderr.isatty() and not as_json():
        whisper(f"{renewed:,} secrets so far")
