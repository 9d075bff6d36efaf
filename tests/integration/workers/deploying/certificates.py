"""What a deploy hook did: its runs, the files that a server reads, and a certificate before both."""

from pathlib import Path

from sqlalchemy import select

from certline.models import Certificate, Command, CommandStatus, CommandType
from certline.workers.keys import read_certificates
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import certificate_of
from tests.servers import until

NAME = "www.nordhafen.example"


def runs(bench: Bench) -> list[Command]:
    """The runs of all hooks, the oldest first."""
    query = select(Command).where(Command.type == CommandType.HOOK)
    with bench.database.transaction() as db:
        return list(db.scalars(query.order_by(Command.created_at, Command.id)))


def run(bench: Bench) -> Command:
    """The one run that there is."""
    (found,) = runs(bench)
    return found


def shown(tmp_path: Path, name: str = NAME) -> dict[str, bytes]:
    """The files that a server would read now."""
    return {file.name: file.read_bytes() for file in (tmp_path / name / "current").iterdir()}


def serial_shown(tmp_path: Path) -> str:
    """The serial number of the certificate that a server would read now."""
    (leaf,) = read_certificates(shown(tmp_path)["certificate.pem"])
    return f"{leaf.serial_number:x}"


def script(tmp_path: Path, text: str) -> str:
    """A command that runs this script."""
    file = tmp_path / "deploy.sh"
    file.write_text(text)
    return f"sh {file}"


def stored_but_not_deployed(bench: Bench) -> tuple[Certificate, Command]:
    """A stored certificate whose hooks have not run; and the first of their runs."""
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
