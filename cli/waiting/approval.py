"""Shows a request that waits for the approval of a second person, and ends the command that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from certline.cli.errors import WAITS
from certline.cli.ui.output import answer, leave, say
from certline.models.documents.command import ApprovalDocument
from certline.models.states import CommandStatus, CommandType

if TYPE_CHECKING:
    from certline.models import Approval, Command


def needs_approval(command: Command) -> bool:
    """Return True for a command that waits for a second person; others that are held wait for a licence."""
    guarded = command.type in (CommandType.DELETE, CommandType.REVOKE)
    return guarded and command.status is CommandStatus.HELD


def how_to_approve(found_id: str) -> str:
    """Return the sentence that says what another person has to type."""
    return f"Somebody else has to type: certline command approve {found_id}"


def leave_waiting(found: Approval) -> NoReturn:
    """Say that nothing was done yet, and what it waits for, and exit 3."""
    from certline.models.commands.approval import GOOD_FOR

    hours = int(GOOD_FOR.total_seconds() // 3600)
    answer(
        ApprovalDocument.of(found).as_dict() | {"status": "held"},
        lambda: say(
            f"Nothing was done yet: {found.waits}.\n{how_to_approve(found.id)}\nThen type this command again, "
            f"within {hours} hours: an approval is good for one time."
        ),
    )
    leave(WAITS)
