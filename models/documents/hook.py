"""Documents of deploy hooks and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, account_name, of

if TYPE_CHECKING:
    from certline.models.states import CommandStatus


class HookDocument(Document):
    """A deploy hook."""

    name: str
    events: list[str]
    command: str | None
    directory: str | None
    common_name: str | None
    account: str | None = account_name()
    timeout: int
    created_by: str
    created_at: datetime


class HookRunDocument(Document):
    """A run of a deploy hook (a command) with the result of its last try."""

    id: str
    hook: str = of("payload", "name")
    certificate_id: str = of("payload", "certificate")
    common_name: str = of("payload", "common_name")
    status: CommandStatus
    outcome: Any = of("result", "outcome", default=None)
    attempts: int
    not_before: datetime
    exit_code: Any = of("result", "exit_code", default=None)
    output: Any = of("result", "output", default=None)
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
