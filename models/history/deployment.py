"""The deployments of a certificate: what each hook has done with it, and where its files are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.deploy_hook import Hook
from certline.models.public.command import PublicCommand, public_commands
from certline.models.states import CommandStatus, CommandType

# Runs that are shown, the newest of them.
MOST = 50


@dataclass(frozen=True)
class Deployment:
    """A run of a hook for a certificate. `directory`, `command`: as the hook is now, or None."""

    run_id: str
    hook: str
    directory: str | None
    command: str | None
    status: CommandStatus
    outcome: str | None
    error: str | None
    at: datetime


def deployments_of(db: Session, certificate_id: str) -> list[Deployment]:
    """Return the runs of deploy hooks for a certificate, the newest first."""
    question = public_commands(types=[CommandType.HOOK], subject=certificate_id)
    in_order = question.order_by(PublicCommand.created_at.desc(), PublicCommand.id.desc())
    runs = list(db.scalars(in_order.limit(MOST)))
    names = {run.hook for run in runs}
    hooks = {hook.name: hook for hook in db.scalars(select(Hook).where(Hook.name.in_(names)))}
    return [_deployment(run, hooks.get(run.hook or "")) for run in runs]


def _deployment(run: PublicCommand, hook: Hook | None) -> Deployment:
    outcome = (run.result or {}).get("outcome")
    return Deployment(
        run.id,
        run.hook or "",
        None if hook is None else hook.directory,
        None if hook is None else hook.command,
        run.status,
        None if outcome is None else str(outcome),
        run.error,
        run.finished_at or run.created_at,
    )
