"""The witness: a head of the audit log, kept outside the database, that shows whether the database went back.

Every claim of an order is an entry of the log. So a database that has all entries up to the witness' head has
every order that was sent until then; one that lacks some was restored to an earlier moment.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from certline.models.audit.head import BadHeadError, Head, head_from
from certline.models.audit.log import AuditHead, AuditLink

# Bytes of a witness, at most: a head of 64 lanes has about a thousand.
LARGEST_WITNESS = 64 * 1024


class ForgedWitnessError(Exception):
    """A witness was not signed with this installation's key; the text says what is wrong with it."""


@dataclass(frozen=True)
class Witness:
    """The head of the audit log at a moment, by Postgres' clock.

    `of`: the database whose log it is (`models.restore.testimony.Memory`); empty if the server does not tell.
    """

    head: Head
    at: datetime
    of: str = ""

    def signed(self, key: bytes) -> bytes:
        """Return the witness as it is kept: JSON with a signature (HMAC-SHA-256)."""
        head, at = str(self.head), self.at.isoformat()
        fields = {"head": head, "at": at, "of": self.of}
        return json.dumps(fields | {"signature": _signature(key, head, at, self.of)}).encode()

    def is_of_another(self, database: str) -> bool:
        """Return True if it is surely not of this database, but of one that is a copy, or that this one is of."""
        return bool(self.of and database and self.of != database)

    @classmethod
    def read(cls, body: bytes, key: bytes) -> "Witness":
        """Return a witness that was kept. Raises ForgedWitnessError unless it was signed with `key`."""
        head, at, of, signature = _fields_in(body)
        if not hmac.compare_digest(signature.encode(), _signature(key, head, at, of).encode()):
            raise ForgedWitnessError("its signature is not that of this installation")
        try:
            moment = datetime.fromisoformat(at)
            found = cls(Head.of(head), moment, of)
        except (BadHeadError, ValueError):
            raise ForgedWitnessError("it has no head of an audit log, or no time") from None
        if moment.tzinfo is None:
            raise ForgedWitnessError("its time has no zone")
        return found


def time_in(body: bytes) -> datetime | None:
    """Return the time that a witness names, whoever has signed it; None if it names none."""
    try:
        found = datetime.fromisoformat(_fields_in(body)[1])
    except (ForgedWitnessError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def witness_of(db: Session) -> Witness:
    """Return the present head of the audit log, of entries that are committed and durable, and the time."""
    ends = db.execute(select(AuditHead.lane, AuditHead.seq, AuditHead.hash))
    head = head_from({lane: (seq, digest) for lane, seq, digest in ends})
    return Witness(head, db.scalars(select(func.clock_timestamp())).one())


def has_entries_of(db: Session, head: Head) -> bool:
    """Return True if the log has every entry that a head counts; reads the last link of each lane."""
    counted = [(lane, count) for lane, count in enumerate(head.counts) if count]
    links = select(AuditLink.lane, AuditLink.seq, AuditLink.hash).where(
        tuple_(AuditLink.lane, AuditLink.seq).in_(counted)
    )
    found = {lane: (seq, digest) for lane, seq, digest in db.execute(links)}
    return len(found) == len(counted) and head_from(found) == head


def _fields_in(body: bytes) -> tuple[str, str, str, str]:
    """Return head, time, database and signature. Raises ForgedWitnessError."""
    try:
        if len(body) > LARGEST_WITNESS:
            raise ForgedWitnessError("it is larger than any witness")
        read: Any = json.loads(body)
        head, at, signature = read["head"], read["at"], read["signature"]
        of = read.get("of", "")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise ForgedWitnessError("it is not the JSON of a witness") from None
    for field in (head, at, of, signature):
        if not isinstance(field, str) or not field.isascii():
            raise ForgedWitnessError("it is not the JSON of a witness")
    return head, at, of, signature


def _signature(key: bytes, head: str, at: str, of: str) -> str:
    # Without a database it is what it was before a witness named one.
    signed = "\n".join(filter(None, ("certline witness", head, at, of)))
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
