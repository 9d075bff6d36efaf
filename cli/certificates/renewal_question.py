"""The question before many certificates are renewed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from certline.cli.confirmation import confirm
from certline.models.documents.projection import time_span

if TYPE_CHECKING:
    from certline.producers.renewals.verdicts import BatchVerdict

# Named certificates that are renewed without a question, at most; also the names that a question lists.
FEW = 5


def confirm_many(verdicts: Sequence[BatchVerdict], pace: int | None, *, yes: bool) -> None:
    """Ask before many certificates are renewed, or those that a filter has found. Raises Fault."""
    due = [each for each in verdicts if not each.problems and each.going is None]
    if not due:
        return  # nothing will be sent
    names = list(dict.fromkeys(each.certificate.common_name for each in due))
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    noun = "renewal" if len(due) == 1 else "renewals"
    told = f"{len(due):,} {noun}: {', '.join(names[:FEW])}{more}"
    if len(due) < len(verdicts):
        told += f" ({len(verdicts) - len(due):,} more are refused or on order already)"
    if pace is not None:
        told += f"; at {pace}/h that takes {time_span(timedelta(hours=len(due) / pace))}"
    confirm(
        f"{told}. --dry-run lists them",
        f"Order {'this renewal' if len(due) == 1 else f'these {len(due):,} renewals'} at SCM?",
        yes=yes,
        declined="nothing was placed",
    )
