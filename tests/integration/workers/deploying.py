"""Helpers for deploy hooks: their runs, the files that a server reads, and a certificate before both."""

from pathlib import Path

from sqlalchemy import select

from certline.models import Certificate, Command, CommandStatus, CommandType
from certline.workers.keys import read_certificates
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import certificate_of
from tests.servers import until

NAME = "www.nordhafen.example"


def runs(bench: Bench) -> list[Command]:
    """Return the runs of all hooks, oldest first."""
    query = select(Command).where(Command.type == CommandType.HOOK)
    with bench.database.transaction() as db:
        return list(db.scalars(query.order_by(Command.created_at, Command.id)))


def run(bench: Bench) -> Command:
    """Return the only run."""
    (found,) = runs(bench)
    return found


def shown(tmp_path: Path, name: str = NAME) -> dict[str, bytes]:
    """Return the files that a server would read now."""
    return {file.name: file.read_bytes() for file in (tmp_path / name / "current").iterdir()}


def serial_shown(tmp_path: Path) -> str:
    """Return the serial number of the certificate that a server would read now."""
    (leaf,) = read_certificates(shown(tmp_path)["certificate.pem"])
    return f"{leaf.serial_number:x}"


def script(tmp_path: Path, text: str) -> str:
    """Write a script. Returns a command that runs it."""
    file = tmp_path / "deploy.sh"
    file.write_text(text)
    return f"sh {file}"


def stored_but_not_deployed(bench: Bench) -> tuple[Certificate, Command]:
    """Store a certificate whose hooks have not run. Returns it and the first of their runs."""
    command = bench.place()

    def is_stored() -> bool:
        bench.make_due()
        with bench.database.transaction() as db:
            due = list(
                db.scalars(
                    select(Command.id).where(
                        Command.status == CommandStatus.QUEUED, Command.type != CommandType.HOOK
                    )
                )
            )
        for each in due:
            bench.run(each)
        return bench.order(command).certificate_id is not None

    until(is_stored, 30)
    return certificate_of(bench, command), runs(bench)[0]
