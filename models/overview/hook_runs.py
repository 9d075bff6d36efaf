"""Runs of deploy hooks that have failed, from what anybody may see of commands."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.deploy_hook import Hook
from certline.models.public.command import PublicCommand
from certline.models.states import CertificateStatus, CommandStatus, CommandType


def failing_hook_runs(db: Session) -> list[str]:
    """Return the ids of the runs of `runs_that_matter`, without reading payloads: the board's role may not."""
    later = aliased(PublicCommand)
    hook = PublicCommand.payload["hook"].as_string()
    done_since = exists(later.id).where(
        later.type == CommandType.HOOK,
        later.subject == PublicCommand.subject,
        later.payload["hook"].as_string() == hook,
        later.status == CommandStatus.DONE,
        later.created_at > PublicCommand.created_at,
    )
    failed = (
        select(PublicCommand.id)
        .join(Certificate, Certificate.id == PublicCommand.subject)
        .join(Hook, Hook.id == hook)
        .where(
            PublicCommand.type == CommandType.HOOK,
            PublicCommand.status != CommandStatus.DONE,
            PublicCommand.error.is_not(None),
            PublicCommand.attempts > 0,
            Certificate.status == CertificateStatus.ACTIVE,
            ~done_since,
        )
    )
    return list(db.scalars(failed.order_by(PublicCommand.created_at, PublicCommand.id)))
