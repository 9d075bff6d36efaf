"""`certline dead-letter`: messages that could not be taken, and what becomes of them."""

from collections.abc import Callable, Sequence

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, NOTHING
from certline.cli.integration.masking import masked
from certline.cli.orders import listing
from certline.cli.ui import detail
from certline.cli.ui.documents import dead_letter_document
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_dead_letter
from certline.cli.ui.output import answer, leave, whisper
from certline.producers.requests.dead_letters import (
    AlreadyDecidedError,
    CannotReplayError,
    drop,
    replay,
)


@click.group(cls=Group)
def dead_letter() -> None:
    """Messages that could not be taken: look at them, replay them or drop them."""


@dead_letter.command()
@click.argument("letter_id", metavar="ID")
def show(letter_id: str) -> None:
    """One dead letter with its message. Passwords in it are not shown."""
    with context.database().transaction() as db:
        found = find_dead_letter(db, letter_id)
    body = masked(context.vault().open(found.body_sealed))
    answer(
        dead_letter_document(found) | {"properties": found.properties, "body": body},
        lambda: detail.dead_letter(found, body),
    )


@dead_letter.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
def replay_(letter_ids: tuple[str, ...]) -> None:
    """Let messages have their effect after all, under the command ids that they have.

    A command of another system is checked again; a message to a worker makes its command due. Exits 1
    where one cannot be replayed, 4 where all have been decided on before.
    """
    _decide(
        letter_ids,
        lambda letter: replay(context.database(), context.vault(), letter, who=context.person()),
        "replayed: command",
    )


@dead_letter.command("drop")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the letter.")
def drop_(letter_ids: tuple[str, ...], reason: str) -> None:
    """Leave messages without effect. Exits 4 where all have been decided on before."""
    if not reason.strip():
        raise click.BadParameter("should not be empty", param_hint="--reason")

    def one(letter: str) -> str:
        drop(context.database(), letter, reason=reason, who=context.person())
        return reason

    _decide(letter_ids, one, "dropped:")


def _decide(names: Sequence[str], decide: Callable[[str], str], done: str) -> None:
    """Decide on one letter after the other; one that is refused stops no other."""
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
            documents.append(dead_letter_document(find_dead_letter(db, letter)) | {"error": error})
    answer(documents, lambda: None)
    leave(FAILED if FAILED in codes else min(codes))


dead_letter.add_command(listing.dead_letters)
