"""`certline sender`: the other systems that may send commands through RabbitMQ, and which."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING, WRONG_USE, Fault
from certline.cli.integration.sender_document import (
    SenderDocument,
    known_by,
    limits,
    may,
    whose,
)
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, facts, leave, say, table, whisper
from certline.models.documents.projection import minute

if TYPE_CHECKING:
    from certline.producers.requests.senders import AddedSender, UnknownSenderError


def words(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[str] | None:
    """Return names that are given one by one or separated by commas; None if the option is not given."""
    named = [word.strip() for text in given for word in text.split(",")]
    return [word for word in named if word] if given else None


def as_list(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[str] | None:
    """Return the values of a repeated option; None if it is not given."""
    return list(given) or None


COMMANDS = click.option(
    "--commands",
    multiple=True,
    metavar="NAME,...",
    callback=words,
    help="What it may send: order, renew, reissue, poll, cancel, revoke, delete, sync, import. "
    "Repeatable, or separated by commas. Default: the first five.",
)
ACCOUNTS = click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME",
    callback=as_list,
    help="Only in this account; repeatable. Default: in all.",
)
ORGANIZATIONS = click.option(
    "--organization",
    "organizations",
    multiple=True,
    metavar="ID|NAME",
    callback=as_list,
    help="Only for this organisation or department; repeatable. Default: for all.",
)
NAMES = click.option(
    "--names",
    multiple=True,
    metavar="PATTERN",
    callback=words,
    help="Only these host names: shop.example for itself, *.shop.example for all below it. "
    "Repeatable, or separated by commas. Default: all.",
)
OWN_ONLY = click.option(
    "--own-only",
    is_flag=True,
    help="Renew, reissue, poll, cancel, revoke and delete only what it ordered itself: the default.",
)
OTHERS_TOO = click.option(
    "--others-too", is_flag=True, help="Do that also with what others ordered."
)


@click.group(cls=Group)
def sender() -> None:
    """Senders: other systems that may send commands through RabbitMQ, and which commands."""


@sender.command()
@click.argument("name")
@click.option("--amqp-user", metavar="USER", help="Its user of RabbitMQ, one for each sender.")
@click.option(
    "--work-queues",
    is_flag=True,
    help="Instead of a user: whoever puts whole commands on a work queue, in Dramatiq's format.",
)
@COMMANDS
@ACCOUNTS
@ORGANIZATIONS
@NAMES
@OWN_ONLY
@OTHERS_TOO
@click.option(
    "--adopt-source",
    "adopt_sources",
    multiple=True,
    metavar="SOURCE",
    help="Commands sent before there were senders, with this `source`, count as its own; repeatable.",
)
def add(
    name: str,
    *,
    amqp_user: str | None,
    work_queues: bool,
    own_only: bool,
    others_too: bool,
    **given: Any,
) -> None:
    """Take commands of another system from now on. Exits 4 if there is that sender."""
    from certline.producers.requests.senders import SenderThereError, add_sender

    if (amqp_user is None) != work_queues:
        raise Fault(
            "a sender is known by its user of RabbitMQ: give either --amqp-user USER or --work-queues",
            code=WRONG_USE,
        )
    try:
        added = add_sender(
            context.database(),
            name,
            amqp_user=amqp_user,
            who=context.person(),
            own_only=_own_only(own_only=own_only, others_too=others_too),
            **given,
        )
    except SenderThereError as there:
        hint = "To change one: certline sender set NAME; to list them: certline sender list"
        raise Fault(str(there), code=NOTHING, hint=hint) from None
    document = SenderDocument.of(added.sender)
    answer(document.as_dict() | {"adopted": added.adopted}, lambda: _added(document, added))


@sender.command("set")
@click.argument("name")
@COMMANDS
@ACCOUNTS
@click.option("--all-accounts", is_flag=True, help="In all accounts again.")
@ORGANIZATIONS
@click.option("--all-organizations", is_flag=True, help="For all organisations again.")
@NAMES
@click.option("--all-names", is_flag=True, help="All names again.")
@OWN_ONLY
@OTHERS_TOO
def set_(
    name: str,
    *,
    all_accounts: bool,
    all_organizations: bool,
    all_names: bool,
    own_only: bool,
    others_too: bool,
    **given: Any,
) -> None:
    """Change what a sender may send; what is not given stays. Exits 4 if nothing changes.

    Lists are replaced, not extended. Commands that were accepted before are still carried out.
    """
    from certline.producers.requests.senders import UnknownSenderError, set_sender

    for field, option, lifted in (
        ("accounts", "--account", all_accounts),
        ("organizations", "--organization", all_organizations),
        ("names", "--names", all_names),
    ):
        if lifted and given[field] is not None:
            told = f"give either {option} or --all-{field}"
            raise Fault(told, code=WRONG_USE)
        if lifted:
            given[field] = []
    given["own_only"] = _own_only(own_only=own_only, others_too=others_too)
    try:
        changed, new = set_sender(context.database(), name, who=context.person(), **given)
    except UnknownSenderError as unknown:
        raise _unknown(unknown) from None
    document = SenderDocument.of(changed)
    said = "is changed" if new else "is as it was"
    answer(document, lambda: say(f"sender {document.name} {said}: {may(document)}"))
    leave(0 if new else NOTHING)


@sender.command("list")
def list_() -> None:
    """List senders by name."""
    from certline.models.senders.sender import senders

    with context.database().transaction() as db:
        found = [SenderDocument.of(row) for row in senders(db)]
    rows = [
        (row.name, known_by(row), ", ".join(row.commands), whose(row), limits(row)) for row in found
    ]
    answer(
        found,
        lambda: table(
            ["sender", "known by", "commands", "things", "limits"],
            rows,
            empty="There are no senders: no other system may send commands. "
            "To add one: certline sender add --help",
        ),
    )


@sender.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one sender: how it is recognised, and what it may send."""
    from certline.models.senders.sender import sender_named
    from certline.producers.requests.senders import UnknownSenderError

    with context.database().transaction() as db:
        found = sender_named(db, name)
        if found is None:
            raise _unknown(UnknownSenderError(f"sender {name!r} is not known"))
        document = SenderDocument.of(found)
    answer(document, lambda: _show(document))


@sender.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a sender: its commands are refused from now on.

    Commands that were accepted are still carried out. What it ordered remains its own if it is added again.
    """
    from certline.producers.requests.senders import UnknownSenderError, remove_sender

    try:
        gone = remove_sender(context.database(), name, who=context.person())
    except UnknownSenderError as unknown:
        raise _unknown(unknown) from None
    answer(SenderDocument.of(gone), lambda: say(f"sender {gone.name} is removed"))


def _own_only(*, own_only: bool, others_too: bool) -> bool | None:
    """Return what the two options say; None if neither is given. Raises Fault."""
    if own_only and others_too:
        raise Fault("give either --own-only or --others-too", code=WRONG_USE)
    return own_only if own_only or others_too else None


def _unknown(error: UnknownSenderError) -> Fault:
    return Fault(str(error), hint="To list them: certline sender list")


def _added(document: SenderDocument, added: AddedSender) -> None:
    from certline.models.commands.admission import LEGACY
    from certline.models.senders.copies import COPY

    say(f"sender {document.name} is added: {may(document)}")
    if added.adopted:
        say(f"{added.adopted} commands that were sent before are its own")
    if document.amqp_user is not None:
        user, name = quote(document.amqp_user), document.name
        whisper("So that it hears only of what concerns it (docs/rabbitmq.md), at RabbitMQ:")
        whisper(
            f"  rabbitmqctl set_topic_permissions {user} certline.events '^$' '^{COPY}\\.{name}\\.'"
        )
    if added.legacy:
        whisper(
            f"From now on every message has to have user_id. The sender {LEGACY} still lets other users send "
            "every command: once each system has a sender of its own, certline sender remove legacy"
        )


def _show(document: SenderDocument) -> None:
    facts(
        {
            "sender": document.name,
            "known by": known_by(document),
            "commands": document.commands,
            "accounts": document.accounts or "all",
            "organisations": document.organizations or "all",
            "names": document.names or "all",
            "things": whose(document),
            "added by": document.added_by,
            "added": minute(document.created_at),
        }
    )
