"""`certline dead-letter`: messages that could not be accepted, and decisions about them."""

import re
from collections.abc import Callable, Sequence

import click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, NOTHING
from certline.cli.ui import detail
from certline.cli.ui.grammar import Group
from certline.cli.ui.grid import Column, style_of
from certline.cli.ui.listing import ListView, show_pages, view_options
from certline.cli.ui.lookup import find_dead_letter
from certline.cli.ui.output import answer, leave, whisper
from certline.models.documents.dead_letter import DeadLetterDocument
from certline.models.documents.projection import minute

# A quoted field name (either kind of quotes) that suggests a secret, and its value. Works on text, not on
# parsed JSON, because the message may be malformed; closing quotes and brackets are optional, because it may
# have been cut off inside a value. `{0,200}` bounds the backtracking.
SECRET = re.compile(
    r"""(["'][^"']{0,200}(?:passw|secret|token|credential)[^"']{0,200}["']\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\]]*)""",
    re.IGNORECASE,
)


@click.group(cls=Group)
def dead_letter() -> None:
    """Messages that could not be accepted: inspect, replay or drop them."""


@dead_letter.command()
@click.argument("letter_id", metavar="ID")
def show(letter_id: str) -> None:
    """Show one dead letter with its message. Passwords in the message are masked."""
    from certline.models.csr.key_search import without_private_keys
    from certline.models.database.secret_place import place_of

    with context.database().transaction() as db:
        found = find_dead_letter(db, letter_id)
    # What was put aside unread was not searched for private keys either.
    body = masked(
        without_private_keys(
            context.vault().open(found.body_sealed, place_of(found, "body_sealed"))
        )
    )
    letter = DeadLetterDocument.of(found)
    answer(
        letter.as_dict() | {"properties": letter.properties, "body": body},
        lambda: detail.dead_letter(letter, body),
    )


@dead_letter.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
def replay_(letter_ids: tuple[str, ...]) -> None:
    """Accept messages after all, under their original command ids.

    A command of another system is checked again; a message to a worker makes its command due. Exits 1 if
    one cannot be replayed, 4 if all were decided before.
    """
    from certline.producers.requests.dead_letters import replay

    _decide(
        letter_ids,
        lambda letter: replay(context.database(), context.vault(), letter, who=context.person()),
        "replayed: command",
    )


@dead_letter.command("drop")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", required=True, metavar="TEXT", help="The reason, stored with the letter.")
def drop_(letter_ids: tuple[str, ...], reason: str) -> None:
    """Discard messages, which then have no effect. Exits 4 if all were decided before."""
    if not reason.strip():
        raise click.BadParameter("must not be empty", param_hint="--reason")

    def one(letter: str) -> str:
        from certline.producers.requests.dead_letters import drop

        drop(context.database(), letter, reason=reason, who=context.person())
        return reason

    _decide(letter_ids, one, "dropped:")


def _decide(names: Sequence[str], decide: Callable[[str], str], done: str) -> None:
    """Decide about one letter after the other; a refused one does not stop the others."""
    from certline.producers.requests.dead_letters import AlreadyDecidedError, CannotReplayError

    with context.database().transaction() as db:
        ids = list(dict.fromkeys(find_dead_letter(db, name).id for name in names))
    documents, codes = [], []
    for letter in ids:
        error, code = None, DONE
        try:
            said = f"{done} {decide(letter)}"
        except CannotReplayError as refusal:
            error, code = f"cannot be replayed: {refusal}", FAILED
        except AlreadyDecidedError as before:
            error, code = str(before), NOTHING
        whisper(f"{letter} {error or said}")
        codes.append(code)
        with context.database().transaction() as db:
            decided = DeadLetterDocument.of(find_dead_letter(db, letter))
        documents.append(decided.as_dict() | {"error": error})
    answer(documents, lambda: None)
    # 0 if at least one letter was decided now, 4 if none was.
    leave(FAILED if FAILED in codes else min(codes))


LETTERS = [
    Column[DeadLetterDocument]("letter", lambda row: row.id),
    Column[DeadLetterDocument]("from", lambda row: row.source, rank=2, may_be_cut=True),
    Column[DeadLetterDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[DeadLetterDocument]("received (UTC)", lambda row: minute(row.received_at), rank=1),
    Column[DeadLetterDocument]("why", lambda row: row.reason[:200], may_be_cut=True),
]


@dead_letter.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that were replayed or dropped.")
@view_options("came")
def list_(*, every: bool, view: ListView) -> None:
    """List dead letters that wait for a decision, the newest first."""
    from certline.models import DeadLetterStatus, Narrowing
    from certline.models.listing import dead_letters_listed

    states = () if every else (DeadLetterStatus.WAITING.value,)
    show_pages(
        dead_letters_listed(Narrowing(statuses=states)),
        view,
        find=find_dead_letter,
        document=DeadLetterDocument.of,
        columns=LETTERS,
        empty="There are no dead letters." if every else "No dead letter waits for a decision.",
    )


def masked(body: bytes) -> str:
    """Return a message as text, with `***` for the values of fields whose names suggest a secret."""
    return SECRET.sub(r'\1"***"', body.decode("utf-8", "backslashreplace"))
