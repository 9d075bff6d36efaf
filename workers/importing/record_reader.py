"""Records of SCM's, asked for one after another: the record, and its certificate where there may be
room for it.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from certline.models import Account, OrderStatus
from certline.models.imports.record import Outcome, RecordStatus
from certline.workers.importing.record_mapping import Met, status_of
from certline.workers.keys import chain as chains
from certline.workers.runtime.context import Line
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
from certline.workers.steps.fetch import leaf_columns

# What is asked for and not yet stored is asked for again after a kill, so it is little: so many
# records, or what came within so many seconds.
GROUP = 25
GROUP_SECONDS = 3.0

PASSING = (NotSent, OutcomeUnknown, TryAgain)


@dataclass
class Asked:
    """What came of so many questions. `in_vain`: SCM couldn't show these just now, and why; `facts`
    are records of orders that are here already; `stop`: no more may be asked for now.
    """

    count: int = 0

    met: list[Met] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    in_vain: dict[int, str] = field(default_factory=dict)
    facts: list[Details] = field(default_factory=list)
    stop: Exception | None = None


class RecordReader:
    """Reads records of one account."""

    def __init__(self, line: Line, account: Account, attempts: int) -> None:
        self._line = line
        self._account = account
        self._attempts = attempts

    def ask(self, ids: Sequence[int], *, here: Collection[int], room: int) -> Asked:
        """Ask for a group of records; certificates of those that are not here, as far as there is
        room.
        """
        began = time.monotonic()
        asked = Asked()
        for scm_id in ids[:GROUP]:
            try:
                met = self._one(scm_id, may_collect=room > 0 and scm_id not in here)
            except PASSING as trouble:
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

    def details_of(self, ids: Sequence[int], asked: Asked) -> None:
        """Ask for records of orders that are here; what SCM can't show is left as it is."""
        scm = self._line.scm(self._account)
        for scm_id in ids:
            try:
                asked.facts.append(scm.details(scm_id))
            except ScmError as error:
                asked.stop = asked.stop or self._end(error)
                if asked.stop is not None:
                    return

    def _one(self, scm_id: int, *, may_collect: bool) -> Met:
        scm = self._line.scm(self._account)
        details = scm.details(scm_id)
        today = datetime.now(UTC).date()
        if not may_collect or status_of(details, today) is not OrderStatus.ISSUED:
            return Met(details)
        try:
            found = chains.read_certificates(scm.collect(scm_id))
            leaf = chains.leaf_numbered(found, details.serial_number)
            return Met(details, leaf=leaf_columns(chains.chain_of(leaf, found)))
        except NotReady:  # it is fetched like any other order's, in a while
            return Met(details)
        except TryAgain:
            raise
        except (Refused, chains.ChainError, ValueError) as fault:
            return Met(details, fault=str(fault))

    def _scm_works(self) -> bool:
        """Whether SCM answers another question: then a failure is about the one record only."""
        try:
            self._line.scm(self._account).organizations()
        except ScmError:
            return False
        return True

    def _end(self, error: ScmError) -> Exception | None:
        """What stops everything that is asked for this account; None where it is about one record."""
        if isinstance(error, LoginRefused):
            return AccountSuspendedError(self._account.id, error)
        if isinstance(error, Throttled) or error.widespread:
            return self._pause(error)
        return None

    def _pause(self, trouble: ScmError) -> TryLater:
        wait = pause_after(trouble, max(1, self._attempts))
        return TryLater(str(trouble), after=wait)
