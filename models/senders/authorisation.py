"""Authorisation: whether a sender may send a command, by what the command is about when it is accepted.

A refusal tells the sender nothing about what others have: what is unknown, what is not the sender's and what is
ambiguous are refused with the same words.
"""

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import Command
from certline.models.commands.envelope import IncomingCommand, in_brief
from certline.models.commands.payloads import (
    CancelCommand,
    DeleteCommand,
    ImportCommand,
    OrderCommand,
    PollCommand,
    ReissueCommand,
    RenewCommand,
    RevokeCommand,
    SyncCommand,
    ValidateCommand,
)
from certline.models.senders.limits import is_allowed_organization, name_problems, require_account
from certline.models.senders.names import not_covered
from certline.models.senders.sender import Sender
from certline.models.senders.things import before_recovered, certificate_of_his, order_of_his
from certline.models.states import CommandType
from certline.models.validation import BadCommandError

NO_USER = (
    "user_id: is missing; set this message property to the name of your RabbitMQ user, by which certline knows "
    "who sends, and send the command again"
)
ADD_IT = "an operator can add it: certline sender add NAME --amqp-user USER"
NOT_HERE = (
    "the command: nobody may put whole commands on a work queue; send it to the exchange certline.commands with "
    "the message property user_id (an operator can allow it: certline sender add NAME --work-queues)"
)


class ForbiddenCommandError(BadCommandError):
    """A command that its sender may not send. `sender`: the sender's name, None if it is not known.

    `command`: the kind of the command, if it was read.
    """

    def __init__(
        self, problems: list[str], *, sender: str | None = None, command: str | None = None
    ) -> None:
        super().__init__(problems)
        self.sender = sender
        self.command = command


@dataclass(frozen=True)
class Permit:
    """Permission to accept a command from a sender.

    `pinned`: fields of the payload with the ids of what they named when it was checked, so that the command's
    step carries it out for just that order or certificate.
    """

    sender: str
    pinned: dict[str, str] = field(default_factory=dict)


def require_known(sender: Sender | None, user: str | None) -> Sender:
    """Return the sender of a message from the exchange. Raises ForbiddenCommandError if there is none."""
    if sender is not None:
        return sender
    problem = (
        NO_USER
        if user is None
        else f"user_id: the RabbitMQ user {user[:100]!r} is no sender that certline knows; {ADD_IT}"
    )
    raise ForbiddenCommandError([problem])


def require_known_at_work_queues(sender: Sender | None) -> Sender:
    """Return the sender of a whole command from a work queue. Raises ForbiddenCommandError if there is none."""
    if sender is None:
        raise ForbiddenCommandError([NOT_HERE])
    return sender


def note_refusal(
    db: Session, letter_id: str, refusal: ForbiddenCommandError, *, user_id: str | None
) -> None:
    """Record in the audit log that a command was refused, under the id of the dead letter that keeps it."""
    record(
        db,
        "command.refused",
        letter_id,
        who=Identity.of_message(user_id, None),
        why="; ".join(in_brief(refusal.problems)),
        sender=refusal.sender,
        type=refusal.command,
    )


def authorise(db: Session, sender: Sender, asked: IncomingCommand) -> Permit:
    """Return the permission to accept a command from a sender. Raises ForbiddenCommandError.

    A command that the sender has sent before is not checked again: what it is about may have changed since.
    """
    try:
        return Permit(sender.name, _checked(db, sender, asked))
    except BadCommandError as bad:
        first = db.get(Command, asked.id)
        if first is not None and first.sender == sender.name:
            return Permit(sender.name)
        raise ForbiddenCommandError(bad.problems, sender=sender.name, command=asked.name) from None


def _checked(db: Session, sender: Sender, asked: IncomingCommand) -> dict[str, str]:
    """Return the fields to pin. Raises BadCommandError if the sender may not send the command."""
    if asked.name not in sender.commands:
        known = ", ".join(sender.commands)
        raise BadCommandError(
            [f"type: the sender {sender.name!r} may not send {asked.name!r}; it may send: {known}"]
        )
    if (
        isinstance(asked.payload, ReissueCommand)
        and asked.payload.revoke_old_after is not None
        and CommandType.REVOKE.value not in sender.commands
    ):
        raise BadCommandError(
            [
                (
                    f"revoke_old_after: the sender {sender.name!r} may not send 'revoke', so a reissue of it may "
                    "not revoke the old certificate either; leave the field out"
                )
            ]
        )
    if not sender.limited:
        return {}
    match asked.payload:
        case RenewCommand() | ReissueCommand() as successor:
            return _successor(db, sender, successor)
        case RevokeCommand() | DeleteCommand() | CancelCommand() | PollCommand() as wanted:
            return _thing(db, sender, wanted)
        case OrderCommand() as order:
            _require_order(db, sender, order)
        case ImportCommand() as wanted:
            _require_import(db, sender, wanted)
        case SyncCommand(account=account):
            require_account(db, sender, account)
        case ValidateCommand() as wanted:
            _require_validation(db, sender, wanted)
        case _:  # a new kind: nobody with limits may send it until its rule is written
            raise BadCommandError([f"type: only senders without limits may send {asked.name!r}"])
    return {}


def _thing(
    db: Session,
    sender: Sender,
    wanted: RevokeCommand | DeleteCommand | CancelCommand | PollCommand,
) -> dict[str, str]:
    """Return the field with the order or certificate that is revoked, deleted, cancelled or polled."""
    if isinstance(wanted, RevokeCommand | DeleteCommand) and wanted.certificate is not None:
        # A certificate is deleted with all its versions.
        line = isinstance(wanted, DeleteCommand)
        return certificate_of_his(db, sender, wanted.certificate, wanted.account, line=line)
    if wanted.order is not None:
        return order_of_his(db, sender, wanted.order, wanted.account)
    # Only `poll` may name nothing: it is for the orders of everybody then.
    require_account(db, sender, wanted.account)
    if sender.own_only or sender.organizations or sender.names:
        raise BadCommandError(
            [f"order: the sender {sender.name!r} has to name one: it may not poll the others'"]
        )
    return {}


def _require_order(db: Session, sender: Sender, wanted: OrderCommand) -> None:
    account = require_account(db, sender, wanted.account)
    problems = []
    if not is_allowed_organization(db, sender, account, wanted.organization):
        problems.append(
            f"organization: {wanted.organization[:100]!r} is not known, or the sender {sender.name!r} may not "
            "order for it"
        )
    problems += name_problems(sender, "common_name", [wanted.common_name])
    problems += name_problems(sender, "sans", wanted.sans)
    if problems:
        raise BadCommandError(problems)


def _successor(
    db: Session, sender: Sender, wanted: RenewCommand | ReissueCommand
) -> dict[str, str]:
    pinned = certificate_of_his(db, sender, wanted.certificate, wanted.account)
    if isinstance(wanted, ReissueCommand):
        new = [] if wanted.common_name is None else [wanted.common_name]
        problems = name_problems(sender, "common_name", new)
        problems += name_problems(sender, "sans", wanted.sans or [])
        if problems:
            raise BadCommandError(problems)
    return before_recovered(db, wanted, pinned["certificate"])


def _require_import(db: Session, sender: Sender, wanted: ImportCommand) -> None:
    """Check an import: a sender with limits has to filter by them. Raises BadCommandError.

    SCM's sslIds say nothing of organisations and names, so such a sender may not name them.
    """
    account = require_account(db, sender, wanted.account)
    problems = []
    if sender.organizations and (
        wanted.organization is None
        or not is_allowed_organization(db, sender, account, wanted.organization)
    ):
        problems.append(
            f"organization: the sender {sender.name!r} has to import for one of its organisations"
        )
    if sender.names and (
        wanted.common_name is None or not_covered(sender.names, [wanted.common_name])
    ):
        problems.append(f"common_name: the sender {sender.name!r} has to import one of its names")
    if problems:
        raise BadCommandError(problems)


def _require_validation(db: Session, sender: Sender, wanted: ValidateCommand) -> None:
    """Check a validation, which covers all names below its domain. Raises BadCommandError."""
    require_account(db, sender, wanted.account)
    names = [wanted.domain, f"*.{wanted.domain.removeprefix('*.')}"]
    limited = sender.organizations or sender.own_only
    if limited or (sender.names and not_covered(sender.names, names)):
        problem = (
            f"domain: the sender {sender.name!r} may not validate {wanted.domain[:100]}: a validation covers "
            "every name below the domain, for all organisations"
        )
        raise BadCommandError([problem])
