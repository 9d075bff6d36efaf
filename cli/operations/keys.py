"""`certline keys`: the secret keys of this line, and how a new one takes the place of an old one."""

import sys
from collections.abc import Mapping, Sequence

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, NOTHING
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, as_json, leave, say, table, whisper
from certline.producers.requests.secret_keys import KeyUse, Rotation, key_uses

# Rows that nobody can read are named up to so many.
MOST_NAMED = 5


@click.group(cls=Group)
def keys() -> None:
    """The secret keys of this line, and their rotation.

    They are those in CERTLINE_SECRET_KEY, newest first. A key is named by twelve hex digits, which
    say nothing about it.
    """


@keys.command()
def status() -> None:
    """Which keys there are, how many secrets each has sealed, and which may be removed.

    Exits 1 where a stored secret opens with none of them.
    """
    uses, unreadable = key_uses(context.database(), context.vault())
    answer(_document(uses, unreadable), lambda: _show(uses))
    _complain(unreadable)
    leave(FAILED if unreadable else DONE)


@keys.command()
def rotate() -> None:
    """Bring every stored secret under the newest key, while the line goes on.

    First put the new key before the old one, for every part, and restart them. Killed, it is started
    again. Exits 4 where there was nothing to do, 1 where a secret is left.
    """
    database, vault = context.database(), context.vault()
    rotation = Rotation(database, vault, who=context.person(), tell=_progress)
    rotation.run()
    uses, unreadable = key_uses(database, vault)
    document = {"rotated": {place: n for place, n in sorted(rotation.renewed.items()) if n}}
    answer(document | _document(uses, unreadable), lambda: _ended(rotation, uses))
    _complain(unreadable, rotation.unreadable)
    if rotation.busy:
        whisper(f"{rotation.busy} rows were in use all the time: run it again.")
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
    table(["key", "secrets", ""], rows, empty="There is no key.")


def _standing(use: KeyUse) -> str:
    if use.is_newest:
        return "the newest: seals what is new"
    return "may be removed" if use.may_go else "still needed: certline keys rotate"


def _ended(rotation: Rotation, uses: Sequence[KeyUse]) -> None:
    total = rotation.renewed.total()
    say(
        f"{total:,} secrets are under key {uses[0].key} now."
        if total
        else "Nothing was to be done."
    )
    for use in uses:
        if use.may_go:
            say(
                f"Key {use.key} may be removed, once every part runs with the new one. "
                "Keep it as long as you keep backups from before."
            )


def _complain(
    unreadable: Mapping[str, int], rows: Mapping[str, Sequence[str]] | None = None
) -> None:
    for place, count in unreadable.items():
        named = ", ".join((rows or {}).get(place, ())[:MOST_NAMED])
        where = f" ({named}{', …' if count > MOST_NAMED else ''})" if named else ""
        whisper(f"{place}: {count} secrets open with none of these keys{where}")


def _progress(renewed: int) -> None:
    if renewed and sys.stderr.isatty() and not as_json():
        whisper(f"{renewed:,} secrets so far")
