"""Check at the end of a drill: nothing was ordered twice, and each certificate is here or named as without key."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from certline.models import Certificate, Command, CommandStatus
from tests.drill.intents import Intents


def faults_of(db: Session, intents: Intents, at_scm: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each fault. `at_scm`: the simulator's records."""
    return [
        *_ordered_otherwise(intents, at_scm),
        *_missing(db, at_scm),
        *_unanswered(db, intents),
    ]


def _ordered_otherwise(intents: Intents, at_scm: list[dict[str, Any]]) -> Iterator[str]:
    asked = Counter(each.name for each in [*intents.of("order"), *intents.of("renew")])
    has = Counter(record["commonName"] for record in at_scm)
    for name in sorted(asked.keys() | has.keys()):
        if asked[name] != has[name]:
            yield f"{name} was asked for {asked[name]} times, and SCM has {has[name]} orders"
    replaced = Counter(each.name for each in intents.of("reissue"))
    made = Counter[str]()
    for record in at_scm:
        made[record["commonName"]] += record.get("replacements") or 0
    for name in sorted(replaced.keys() | {name for name, count in made.items() if count}):
        if replaced[name] != made[name]:
            yield f"{name} was to be reissued {replaced[name]} times, and was {made[name]} times"


def _missing(db: Session, at_scm: list[dict[str, Any]]) -> Iterator[str]:
    named = or_(Certificate.key_id.is_not(None), Certificate.key_lost)
    here = set(db.scalars(select(Certificate.scm_id).where(named)))
    for record in at_scm:
        if record["sslId"] not in here:
            yield f"the certificate {record['sslId']} ({record['commonName']}) is not here"


def _unanswered(db: Session, intents: Intents) -> Iterator[str]:
    query = select(Command.id, Command.status, Command.error).where(Command.sender.is_not(None))
    stored = {row.id: row for row in db.execute(query)}
    for each in intents.sent:
        row = stored.get(each.id)
        if row is None:
            yield f"the {each.kind} of {each.name} was not accepted"
        elif row.status is not CommandStatus.DONE:
            yield f"the {each.kind} of {each.name} is {row.status}: {row.error}"


def certificates_in(db: Session) -> int:
    """Count the certificates that are stored."""
    return db.scalar(select(func.count()).select_from(Certificate)) or 0


def all_answered(db: Session, intents: Intents) -> bool:
    """Return True once each command has ended, in whatever way."""
    ended = (CommandStatus.DONE, CommandStatus.FAILED, CommandStatus.REVIEW, CommandStatus.HELD)
    query = select(func.count()).where(Command.sender.is_not(None), Command.status.in_(ended))
    return (db.scalar(query) or 0) >= len(intents.sent)
