"""The step `hook`: write a certificate's files to a deploy hook's directory and run the hook's command.

The command runs at least once: if the worker is killed after the command ended and before the commit, the
command runs again.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    CommandType,
    Hook,
    Line,
    Order,
    OrderKind,
    PrivateKey,
)
from certline.models.audit.identity import WORKER, Identity
from certline.models.audit.log import record
from certline.models.commands.payloads import HookCommand, read_payload
from certline.models.database.secret_place import place_of
from certline.models.vault import WrongSecretKeyError
from certline.workers.deploying.files import Secrets, facts_of, files_of, places_of
from certline.workers.deploying.folder import (
    FolderBusyError,
    discard,
    locked_folder,
    show,
)
from certline.workers.deploying.own_folder import NotOurFolderError
from certline.workers.deploying.temporary import private_directory, tidy
from certline.workers.programs.program import Ran, run_program
from certline.workers.programs.user import HookUserError, hook_user
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater, back_off
from certline.workers.runtime.results import StepResult
from certline.workers.runtime.step import plain_step
from certline.workers.tracing.span import annotate, span

# Tries before the command fails, with pauses (in seconds) of 1, 2, 4 … minutes, then an hour: 4 hours in all.
MOST_TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
# Pause while another run of the same hook and line is under way.
BUSY = timedelta(seconds=10)


class StaleError(Exception):
    """The run is no longer needed; the text says why."""


@dataclass(frozen=True)
class HookTask:
    """One run of a deploy hook: the hook, and the certificate with the facts that its command is given."""

    hook: Hook
    certificate: Certificate
    line_name: str
    account: str
    kind: OrderKind


@dataclass(frozen=True)
class HookEnding:
    """Ending of a try. `word`: `done`, `failed` or `skipped`; `output`: the command's output, which may hold
    secrets.
    """

    word: str
    why: str | None = None
    exit_code: int | None = None
    output: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HookResult(StepResult):
    """Result of a deploy hook, stored after each try; see HookEnding. `said`: outcome and reason for display."""

    hook: str
    certificate_id: str
    outcome: str
    exit_code: int | None
    output: str | None = field(repr=False)
    said: str


def hook(context: WorkerContext, command: Command) -> dict[str, Any]:
    """Write a certificate's files and run the hook's command. Returns the command's result.

    Raises TryLater after a failed try or while the folder is locked, and GiveUp after MOST_TRIES.
    """
    wanted = read_payload(HookCommand, command.payload)
    try:
        with context.database.transaction() as db:
            task = read_task(db, wanted)
        ended = ending_of(_carry_out(context, command, task), task.hook.timeout)
    except StaleError as stale:
        ended = HookEnding("skipped", str(stale))
    except FolderBusyError:
        raise TryLater(
            f"another run of hook {wanted.name!r} for {wanted.common_name} is under way", after=BUSY
        ) from None
    except OSError as error:
        ended = HookEnding("failed", f"{error.strerror or error}: {error.filename or 'its files'}")
    except (NotOurFolderError, HookUserError, WrongSecretKeyError, ValueError) as error:
        ended = HookEnding("failed", str(error))

    result = context.store(partial(_note, command_id=command.id, ended=ended))
    if ended.word != "failed":
        return result
    if command.attempts >= MOST_TRIES:
        raise GiveUp(f"hook {wanted.name!r}: {ended.why} (tried {command.attempts} times)")
    wait = back_off(command.attempts, first=FIRST_PAUSE, most=LONGEST_PAUSE)
    raise TryLater(f"hook {wanted.name!r}: {ended.why}", after=wait, costs_attempt=True)


def read_task(db: Session, wanted: HookCommand) -> HookTask:
    """Load the hook and the certificate of a run.

    Raises StaleError if the hook was removed, or the certificate was deleted or is no longer active.
    """
    found = db.get(Hook, wanted.hook)
    if found is None:
        raise StaleError(f"hook {wanted.name!r} was removed")
    certificate = db.get(Certificate, wanted.certificate, populate_existing=True)
    if certificate is None:
        raise StaleError("the certificate was deleted")
    # Runs may be carried out in any order: a line's files must not go back to an older certificate.
    if certificate.status is not CertificateStatus.ACTIVE:
        raise StaleError(f"the certificate is {certificate.status} by now")
    return HookTask(
        hook=found,
        certificate=certificate,
        line_name=db.get_one(Line, certificate.line_id).common_name,
        account=db.get_one(Account, certificate.account_id).name,
        kind=db.get_one(Order, certificate.order_id).kind,
    )


def _carry_out(context: WorkerContext, command: Command, task: HookTask) -> Ran | None:
    """Write the files and run the command, if there is one. Raises StaleError, FolderBusyError,
    NotOurFolderError, HookUserError, OSError, WrongSecretKeyError, ValueError.
    """
    certificate = task.certificate
    user = hook_user(context.settings.hook_user)
    owner = None if user is None else user.owner
    private = None if task.hook.directory else private_directory("certline-hooks", owner)
    directory = Path(task.hook.directory or "") if private is None else private / task.hook.id
    with _tidied(private), locked_folder(directory, certificate.line_id, task.line_name) as folder:
        with context.database.transaction() as db:
            # Checked again under the folder's lock: if a newer certificate was stored in the meantime, its own
            # run has written the folder or is waiting for it.
            read_task(db, read_payload(HookCommand, command.payload))
            secrets = _read_secrets(db, context, command, task)
        files = files_of(certificate, secrets)
        try:
            current = show(folder, certificate.serial_number, files, owner)
            if task.hook.command is None:
                return None
            facts = facts_of(certificate, task.kind, task.account, task.hook.name, current)
            with span("hook run", attributes={"certline.hook": task.hook.name}) as traceparent:
                ran = run_program(
                    shlex.split(task.hook.command),
                    facts | places_of(files, current) | {"TRACEPARENT": traceparent},
                    folder=current,
                    timeout=task.hook.timeout,
                    user=user,
                )
                annotate({"process.exit.code": ran.exit_code})
                return ran
        finally:
            if private is not None:  # such a hook has the files only while its command runs
                discard(folder)


@contextmanager
def _tidied(private: Path | None) -> Iterator[None]:
    """Remove what runs have left in a private directory, once the block has released its folder."""
    try:
        yield
    finally:
        if private is not None:
            tidy(private)


def _read_secrets(db: Session, context: WorkerContext, command: Command, task: HookTask) -> Secrets:
    """Return the decrypted key and keystore password, each with an audit entry for its use.

    The audit entries are in the caller's transaction, which commits before any file is written.
    """
    certificate = task.certificate
    if certificate.key_id is None:
        return Secrets(None, None)
    who = Identity.of_part(f"hook {task.hook.name}")
    stored = db.get_one(PrivateKey, certificate.key_id)
    kind = certificate.keystore_type
    record(
        db, "certificate.exported", certificate.id, who=who, command_id=command.id, format="files"
    )
    if certificate.keystore_password_sealed is None or kind == "PEM":
        return Secrets(context.vault.open(stored.pem_sealed, place_of(stored, "pem_sealed")), None)
    record(db, "certificate.password_read", certificate.id, who=who, command_id=command.id)
    place = place_of(certificate, "keystore_password_sealed")
    password = context.vault.open(certificate.keystore_password_sealed, place).decode()
    return Secrets(context.vault.open(stored.pem_sealed, place_of(stored, "pem_sealed")), password)


def ending_of(ran: Ran | None, timeout: int) -> HookEnding:
    """Return the ending of a try, given how its command ended; a hook without a command is done."""
    if ran is None:
        return HookEnding("done")
    match ran.exit_code:
        case 0:
            return HookEnding("done", None, 0, ran.output)
        case None:
            why = f"its command did not finish within {timeout} s and was terminated"
        case code if code < 0:
            why = f"its command was killed by signal {-code}"
        case code:
            why = f"its command ended with exit code {code}"
    return HookEnding("failed", why, ran.exit_code, ran.output)


def _note(db: Session, command_id: str, ended: HookEnding) -> dict[str, Any]:
    """Record a try's ending in the command's result and, without the output, in the audit log."""
    command = db.get_one(Command, command_id, with_for_update=True)
    wanted = read_payload(HookCommand, command.payload)
    command.result = HookResult(
        hook=wanted.name,
        certificate_id=wanted.certificate,
        outcome=ended.word,
        exit_code=ended.exit_code,
        output=ended.output,
        said=ended.word if ended.why is None else f"{ended.word}: {ended.why}",
    ).document()
    record(
        db,
        f"hook.{ended.word}",
        wanted.certificate,
        who=WORKER,
        why=ended.why,
        command_id=command_id,
        hook=wanted.name,
        exit_code=ended.exit_code,
    )
    return command.result


STEP = plain_step(CommandType.HOOK, hook)
