"""A deploy hook: a certificate's files put where a server reads them, and a command run there.

At least once: whoever dies between the command's end and its commit has it run again.
"""

import shlex
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
    Order,
    OrderKind,
    PrivateKey,
)
from certline.models import Line as ManagedLine
from certline.models.audit.log import record
from certline.models.commands.payloads import HookCommand
from certline.models.vault import WrongSecretKeyError
from certline.workers.deploying.files import Secrets, facts_of, files_of, places_of
from certline.workers.deploying.folder import (
    FolderBusyError,
    NotOurFolderError,
    clear,
    locked_folder,
    private_directory,
    show,
)
from certline.workers.deploying.program import Ran, run_program
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import GiveUp, TryLater, back_off
from certline.workers.runtime.step import Step

# Failed tries before a person has to look; after 1, 2, 4 … minutes, then each hour: 4 hours in all.
MOST_TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
# How soon it is tried again where another run of the same hook and line is under way.
BUSY = timedelta(seconds=10)


class StaleError(Exception):
    """There is nothing to do any more; the text says why."""


@dataclass(frozen=True)
class Task:
    """What is to be done, and for which certificate."""

    hook: Hook
    certificate: Certificate
    line_name: str
    account: str
    kind: OrderKind


@dataclass(frozen=True)
class Ending:
    """How a try went: `done`, `failed` or `skipped`. What its command said may have secrets."""

    word: str
    why: str | None = None
    exit_code: int | None = None
    output: str | None = field(default=None, repr=False)


def hook(line: Line, command: Command) -> dict[str, Any]:
    """Put a certificate's files where a hook wants them, and run the hook's command."""
    wanted = HookCommand.model_validate(command.payload)
    try:
        with line.database.transaction() as db:
            task = read_task(db, wanted)
        ended = ending_of(_carry_out(line, command, task), task.hook.timeout)
    except StaleError as stale:
        ended = Ending("skipped", str(stale))
    except FolderBusyError:
        raise TryLater(
            f"another run of hook {wanted.name!r} for {wanted.common_name} is under way", after=BUSY
        ) from None
    except OSError as error:
        ended = Ending("failed", f"{error.strerror or error}: {error.filename or 'its files'}")
    except (NotOurFolderError, WrongSecretKeyError, ValueError) as error:
        ended = Ending("failed", str(error))

    result = line.store(partial(_note, command_id=command.id, ended=ended))
    if ended.word != "failed":
        return result
    if command.attempts >= MOST_TRIES:
        raise GiveUp(f"hook {wanted.name!r}: {ended.why} (tried {command.attempts} times)")
    wait = back_off(command.attempts, first=FIRST_PAUSE, most=LONGEST_PAUSE)
    raise TryLater(f"hook {wanted.name!r}: {ended.why}", after=wait, costs_attempt=True)


def read_task(db: Session, wanted: HookCommand) -> Task:
    """What a hook's run is about, while that is wanted. Raises StaleError."""
    found = db.get(Hook, wanted.hook)
    if found is None:
        raise StaleError(f"hook {wanted.name!r} was removed")
    certificate = db.get(Certificate, wanted.certificate, populate_existing=True)
    if certificate is None:
        raise StaleError("the certificate was deleted")
    # The newest wins: a line's files never go back to an older certificate's.
    if certificate.status is not CertificateStatus.ACTIVE:
        raise StaleError(f"the certificate is {certificate.status} by now")
    return Task(
        hook=found,
        certificate=certificate,
        line_name=db.get_one(ManagedLine, certificate.line_id).common_name,
        account=db.get_one(Account, certificate.account_id).name,
        kind=db.get_one(Order, certificate.order_id).kind,
    )


def _carry_out(line: Line, command: Command, task: Task) -> Ran | None:
    """Write the files and run the command, if there is one. Raises StaleError, FolderBusyError,
    NotOurFolderError, OSError, WrongSecretKeyError, ValueError.
    """
    certificate, stays = task.certificate, task.hook.directory is not None
    directory = Path(task.hook.directory or private_directory("certline-hooks") / task.hook.id)
    with locked_folder(directory, certificate.line_id, task.line_name) as folder:
        with line.database.transaction() as db:
            # Asked again now that nobody else is at the folder: a newer one has been here, or will be.
            read_task(db, HookCommand.model_validate(command.payload))
            secrets = _read_secrets(db, line, command, task)
        files = files_of(certificate, secrets)
        try:
            current = show(folder, certificate.serial_number, files)
            if task.hook.command is None:
                return None
            facts = facts_of(certificate, task.kind, task.account, task.hook.name, current)
            return run_program(
                shlex.split(task.hook.command),
                facts | places_of(files, current),
                folder=current,
                timeout=task.hook.timeout,
            )
        finally:
            if not stays:
                clear(folder)


def _read_secrets(db: Session, line: Line, command: Command, task: Task) -> Secrets:
    """The key and the password in the clear. That they are read is an entry of the log."""
    certificate = task.certificate
    if certificate.key_id is None:
        return Secrets(None, None)
    who = f"hook {task.hook.name}"
    sealed = db.get_one(PrivateKey, certificate.key_id).pem_sealed
    kind = certificate.keystore_type
    record(
        db, "certificate.exported", certificate.id, who=who, command_id=command.id, format="files"
    )
    if certificate.keystore_password_sealed is None or kind == "PEM":
        return Secrets(line.vault.open(sealed), None)
    record(db, "certificate.password_read", certificate.id, who=who, command_id=command.id)
    password = line.vault.open(certificate.keystore_password_sealed).decode()
    return Secrets(line.vault.open(sealed), password)


def ending_of(ran: Ran | None, timeout: int) -> Ending:
    """How a try went, by how its command ended; well, where it had none."""
    if ran is None:
        return Ending("done")
    match ran.exit_code:
        case 0:
            return Ending("done", None, 0, ran.output)
        case None:
            why = f"its command was not done after {timeout} s, and was ended"
        case code if code < 0:
            why = f"its command was ended by signal {-code}"
        case code:
            why = f"its command ended with exit code {code}"
    return Ending("failed", why, ran.exit_code, ran.output)


def _note(db: Session, command_id: str, ended: Ending) -> dict[str, Any]:
    """Write down how a try went, with the command and in the log, which has no output."""
    command = db.get_one(Command, command_id, with_for_update=True)
    wanted = HookCommand.model_validate(command.payload)
    command.result = {
        "hook": wanted.name,
        "certificate_id": wanted.certificate,
        "outcome": ended.word,
        "exit_code": ended.exit_code,
        "output": ended.output,
        "said": ended.word if ended.why is None else f"{ended.word}: {ended.why}",
    }
    record(
        db,
        f"hook.{ended.word}",
        wanted.certificate,
        who="certline",
        why=ended.why,
        command_id=command_id,
        hook=wanted.name,
        exit_code=ended.exit_code,
    )
    return command.result


STEP = Step(CommandType.HOOK, hook)
