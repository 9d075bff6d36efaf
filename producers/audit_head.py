"""The head of the audit log goes out by itself: as an event, in the log, and to a file if one is set.

Whoever owns the database can rewrite the log and its chain. A head that is kept where that owner cannot reach it
reveals it (`certline audit verify --against`).
"""

from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from certline.models.audit.chain import head_of
from certline.models.audit.kept_heads import append_head
from certline.models.database.session import clock
from certline.models.events.audit_data import AuditHeadPublished
from certline.models.events.outbox import emit_event

log = structlog.get_logger()


def publish_head(db: Session, file: Path | None = None) -> dict[str, int]:
    """Publish the log's head, and append it to the file. Returns its number of entries, for the schedule's log.

    A file that cannot be written is logged as an error; the event goes out all the same.
    """
    head, at = head_of(db), clock(db)
    emit_event(
        db,
        AuditHeadPublished(head=str(head), entries=head.seq, at=at),
        subject=None,
        correlation_id=None,
    )
    log.info("audit.head", head=str(head))
    if file is not None:
        try:
            append_head(file, head, at)
        except OSError as error:
            log.error("audit.head_not_kept", file=str(file), error=error.strerror or str(error))  # noqa: TRY400
    return {"entries": head.seq}
