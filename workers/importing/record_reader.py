"""Read SCM's records for an import, one by one, each with its certificate if the licence may have room."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from certline.models import Account, OrderStatus
from certline.models.imports.record import Outcome, RecordStatus
from certline.workers.importing.record_mapping import Met, status_of
from certline.workers.importing.report_facts import details_from
from certline.workers.keys import chain as chains
from certline.workers.keys.errors import ChainError
from certline.workers.keys.leaf import leaf_columns
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import AccountSuspendedError, TryLater, pause_after
from certline.workers.scm import (
    Details,
    LoginRefused,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmError,
    Throttled,
    TryAgain,
)

# Limits of a group, in records and in seconds. A group that was read but not stored is read again after a
# kill, hence it is small.
GROUP = 100
GROUP_SECONDS = 3.0

# Temporary errors; SCM may return one for a single record only.
PASSING = (NotSent, OutcomeUnknown, TryAgain)


@dataclass
class ReadResult:
    """The result of reading a group of records; `count` of them were read.

    `in_vain`: records that SCM can't show at present, with the reason. `facts`: records of orders that are
    stored already; `looked_at`: ids of all such orders about which SCM has answered. `stop`: the exception to end
    the step with, if no further call may be made now.
    """

    count: int = 0

    met: list[Met] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    in_vain: dict[int, str] = field(default_factory=dict)
    facts: list[Details] = field(default_factory=list)
    looked_at: set[int] = field(default_factory=set)
    stop: Exception | None = None

    def put_off(self, doubtful: Mapping[int, int]) -> None:
        """Leave out records whose predecessor could not be read: stored now, they would not join its line.

        `doubtful`: predecessors by the sslIds of what may renew them. The records are read again later.
        """
        unread = {newer for newer, older in doubtful.items() if older not in self.looked_at}
        self.met = [met for met in self.met if met.scm_id not in unread]
        if self.stop is None:
            self.in_vain |= dict.fromkeys(unread, "the record that it may renew cannot be read")


class RecordReader:
    """Reader of one account's records at SCM. `attempts` of the command determine the wait after an error."""

    def __init__(self, context: WorkerContext, account: Account, attempts: int) -> None:
        self._context = context
        self._account = account
        self._attempts = attempts
        self.scm = context.scm(account)

    def ask(
        self,
        ids: Sequence[int],
        facts: Mapping[int, Mapping[str, Any] | None],
        *,
        here: Collection[int],
        room: int,
    ) -> ReadResult:
        """Read the first records of `ids`, at most a group.

        `facts`: what the report says about some of them. `here`: ids whose orders are stored already. `room`: how
        many certificates may be collected for the others. An exception that ends the step is returned in `stop`,
        not raised.
        """
        began = time.monotonic()
        asked = ReadResult()
        # Once for the group: each time the login is decrypted.
        self.scm = self._context.scm(self._account)
        for scm_id in ids[:GROUP]:
            try:
                shown = None if scm_id in here else facts.get(scm_id)
                met = self._one(scm_id, shown, may_collect=room > 0 and scm_id not in here)
            except PASSING as trouble:
                # SCM may fail on this record only; then the import must not wait for it.
                if trouble.widespread and not self._scm_works():
                    asked.stop = self._pause(trouble)
                    break
                asked.in_vain[scm_id] = str(trouble)
            except ScmError as error:
                asked.stop = self._end(error)
                if asked.stop is not None:
                    break
                asked.failed.append(Outcome(scm_id, RecordStatus.FAILED, str(error)))
            else:
                asked.met.append(met)
                room -= met.leaf is not None
            asked.count += 1
            if time.monotonic() - began > GROUP_SECONDS:
                break
        return asked

    def details_of(self, ids: Sequence[int], asked: ReadResult) -> None:
        """Read records of stored orders into `asked.facts`; a record that SCM refuses to show is skipped.

        One that it can't show at present is not among `asked.looked_at` then.
        """
        for scm_id in ids:
            try:
                asked.facts.append(self.scm.details(scm_id))
            except PASSING as trouble:
                if trouble.widespread:
                    asked.stop = asked.stop or self._pause(trouble)
                    return
                continue
            except ScmError as error:
                asked.stop = asked.stop or self._end(error)
                if asked.stop is not None:
                    return
            asked.looked_at.add(scm_id)

    def _one(self, scm_id: int, shown: Mapping[str, Any] | None, *, may_collect: bool) -> Met:
        if shown is not None:
            met = self._with_certificate(details_from(scm_id, shown), may_collect=may_collect)
            # A certificate other than the reported one, or none: the record has changed since, so it is read.
            if met.fault is None:
                return replace(met, reported=True)
        details = self.scm.details(scm_id)
        return self._with_certificate(details, may_collect=may_collect)

    def _with_certificate(self, details: Details, *, may_collect: bool) -> Met:
        today = datetime.now(UTC).date()
        if not may_collect or status_of(details, today) is not OrderStatus.ISSUED:
            return Met(details)
        try:
            found = chains.read_certificates(self.scm.collect(details.ssl_id))
            leaf = chains.leaf_numbered(found, details.serial_number)
            return Met(details, leaf=leaf_columns(chains.chain_of(leaf, found)))
        except NotReady:  # a fetch collects it later, as for any other order
            return Met(details)
        except TryAgain:
            raise
        except (Refused, ChainError) as fault:
            return Met(details, fault=str(fault))

    def _scm_works(self) -> bool:
        """Return True if SCM responds to another read: then the failure concerns the one record only."""
        try:
            self.scm.organizations()
        except ScmError:
            return False
        return True

    def _end(self, error: ScmError) -> Exception | None:
        """Return the exception to end the step with, or None if the error concerns one record only."""
        if isinstance(error, LoginRefused):
            return AccountSuspendedError(self._account.id, error)
        if isinstance(error, Throttled) or error.widespread:
            return self._pause(error)
        return None

    def _pause(self, trouble: ScmError) -> TryLater:
        wait = pause_after(trouble, max(1, self._attempts))
        return TryLater(str(trouble), after=wait)
