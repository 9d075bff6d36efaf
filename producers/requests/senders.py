"""Management of senders; each change writes an audit entry in the same transaction."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Database, Sender, SenderKind
from certline.models.accounts.account import account_named, accounts
from certline.models.accounts.catalogue import organizations
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.admission import LEGACY
from certline.models.commands.kinds import PUBLIC
from certline.models.senders.limits import organization_meant
from certline.models.senders.names import pattern_of
from certline.models.senders.sender import USUAL_COMMANDS, adopt, sender_named, senders
from certline.models.validation import BadCommandError

# A name is a word of routing keys, where `.`, `*` and `#` have a meaning of their own.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# RabbitMQ's names are short strings of AMQP: at most 255 bytes.
LONGEST_USER = 255
# What can be given and changed, with the value of a sender for which it was not given.
USUAL: Mapping[str, Any] = {
    "commands": USUAL_COMMANDS,
    "accounts": (),
    "organizations": (),
    "names": (),
    "own_only": True,
}


class SenderThereError(Exception):
    """There is a sender with that name, that user, or of that kind already."""


class UnknownSenderError(Exception):
    """There is no sender of that name."""


@dataclass(frozen=True)
class AddedSender:
    """A sender that was added. `adopted`: commands of the legacy sender that are its own now."""

    sender: Sender
    adopted: int
    legacy: bool


def add_sender(
    database: Database,
    name: str,
    *,
    amqp_user: str | None,
    who: Identity,
    adopt_sources: Sequence[str] = (),
    **given: Any,
) -> AddedSender:
    """Add a sender: its commands are taken from now on. Without a user it is that of the work queues.

    `given`: values for those of USUAL. Raises BadCommandError if something is invalid or unknown, and
    SenderThereError.
    """
    with database.transaction() as db:
        wanted = {field: given.get(field) for field in USUAL}
        usual = {field: USUAL[field] for field, value in wanted.items() if value is None}
        values = _checked(db, wanted | usual, name=name, amqp_user=amqp_user)
        _require_new(db, name, amqp_user)
        kind = SenderKind.WORK_QUEUES if amqp_user is None else SenderKind.USER
        sender = Sender(name=name, kind=kind, amqp_user=amqp_user, added_by=str(who), **values)
        db.add(sender)
        db.flush()
        adopted = adopt(db, sender, adopt_sources)
        record(
            db,
            "sender.added",
            name,
            who=who,
            amqp_user=amqp_user,
            adopted=adopted,
            adopted_sources=list(adopt_sources),
            **values,
        )
        return AddedSender(sender, adopted, legacy=sender_named(db, LEGACY) is not None)


def set_sender(
    database: Database, name: str, *, who: Identity, **given: Any
) -> tuple[Sender, bool]:
    """Change what a sender may send: the values that are given. Returns (sender, whether anything changed).

    Raises BadCommandError, UnknownSenderError.
    """
    with database.transaction() as db:
        sender = _locked(db, name)
        values = _checked(db, given)
        before = {field: getattr(sender, field) for field in values}
        if before == values:
            return sender, False
        for field, value in values.items():
            setattr(sender, field, value)
        record(db, "sender.changed", name, who=who, before=before, now=values)
        return sender, True


def remove_sender(database: Database, name: str, *, who: Identity) -> Sender:
    """Remove a sender: its commands are refused from now on, and those accepted are carried out.

    Raises UnknownSenderError.
    """
    with database.transaction() as db:
        sender = _locked(db, name)
        db.delete(sender)
        record(db, "sender.removed", name, who=who, amqp_user=sender.amqp_user)
        return sender


def _locked(db: Session, name: str) -> Sender:
    found = db.get(Sender, name, with_for_update=True)
    if found is None:
        raise UnknownSenderError(f"sender {name!r} is not known")
    return found


def _require_new(db: Session, name: str, amqp_user: str | None) -> None:
    for each in senders(db):
        if each.name == name:
            raise SenderThereError(f"there is a sender {name!r} already")
        if amqp_user is not None and each.amqp_user == amqp_user:
            raise SenderThereError(f"the RabbitMQ user {amqp_user!r} is the sender {each.name!r}")
        if amqp_user is None and each.kind is SenderKind.WORK_QUEUES:
            raise SenderThereError(f"the sender of the work queues is {each.name!r}")


def _checked(db: Session, given: Mapping[str, Any], **identity: str | None) -> dict[str, Any]:
    """Return the values that are not None, as they are stored. Raises BadCommandError with every problem."""
    values = {field: value for field, value in given.items() if value is not None}
    problems = _identity_problems(**identity) if identity else []
    for field in ("commands", "accounts", "organizations", "names"):
        if field in values:
            values[field] = list(dict.fromkeys(each.strip() for each in values[field]))
    problems += _command_problems(values.get("commands"))
    for account in values.get("accounts", []):
        if account_named(db, account) is None:
            known = ", ".join(each.name for each in accounts(db)) or "none yet"
            problems.append(f"accounts: {account!r} is not known; known accounts: {known}")
    problems += _organization_problems(db, values.get("organizations", []))
    patterns = []
    for text in values.get("names", []):
        try:
            patterns.append(pattern_of(text))
        except ValueError as wrong:
            problems.append(f"names: {wrong}")
    if problems:
        raise BadCommandError(problems)
    return values | ({"names": patterns} if "names" in values else {})


def _identity_problems(name: str | None = None, amqp_user: str | None = None) -> list[str]:
    problems = []
    if name == LEGACY:
        problems.append(f"name: {LEGACY!r} stands for the systems that were there before senders")
    elif not NAME.fullmatch(name or ""):
        problems.append(
            f"name: {name!r} should be of lower-case letters, digits, hyphens and underscores, "
            "at most 63, and begin with a letter or a digit"
        )
    if amqp_user is not None and not (
        amqp_user.isprintable() and 0 < len(amqp_user.encode()) <= LONGEST_USER
    ):
        problems.append(f"amqp_user: should be a name of 1 to {LONGEST_USER} bytes")
    return problems


def _command_problems(names: Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    if not names:
        return ["commands: name one at least"]
    unknown = [name for name in names if name not in PUBLIC]
    known = ", ".join(PUBLIC)
    return [f"commands: {name!r} is no command; there are: {known}" for name in unknown]


def _organization_problems(db: Session, names: Sequence[str]) -> list[str]:
    """Return a problem for each name that is no organisation's of any account, or several ones' in each."""
    if not names:
        return []
    rows = organizations(db)
    by_account = [[row for row in rows if row.account_id == each.id] for each in accounts(db)]
    return [
        f"organizations: {name!r} is not known, or is the name of several (then use the id); "
        "to see them: certline organization list"
        for name in names
        if all(organization_meant(rows, name) is None for rows in by_account)
    ]
