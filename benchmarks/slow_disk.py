"""A private Postgres whose fsync takes as long as on a slower disk: the real call, and a pause before it.

The pause is in a library (`slow_disk.c`) that is loaded before the C library's. Backends wait for one another's
fsync as on a real disk, so that several commits may share one.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import PostgresServer, Process, session
from tests.servers.discovery import Server, program
from tests.servers.postgres import LocalPostgres

SOURCE = Path(__file__).with_suffix(".c")


class SlowPostgres(LocalPostgres):
    """A server of our own with fsync on, each of which takes `milliseconds` longer."""

    def __init__(self, postgres: Path, library: Path, milliseconds: float) -> None:
        self.variables = {
            "LD_PRELOAD": str(library),
            "SLOW_DISK_US": f"{1000 * milliseconds:.0f}",
        }
        super().__init__(postgres)

    def _process(self, name: str, *args: str | Path) -> Process:
        if name != "postgres":
            return super()._process(name, *args)
        path = self.programs / name
        # Of several values for a setting, the last counts.
        settings = ("-c", "fsync=on", "-c", "wal_sync_method=fdatasync")
        return Process(
            [path, *args, *settings],
            self.variables,
            cwd=self.data,
            user=self.user,
            group=self.group,
        )


@contextmanager
def open_slow_postgres(milliseconds: float) -> Iterator[PostgresServer]:
    """Yield the server. Raises LookupError if there is no C compiler or no local Postgres."""
    compiler, postgres = shutil.which("cc") or shutil.which("gcc"), program(Server.POSTGRES)
    if compiler is None or postgres is None:
        raise LookupError("a slower disk needs a C compiler and a local Postgres")
    library = session.folder() / "slow_disk.so"
    if not library.exists():
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        library.chmod(0o755)
    server = SlowPostgres(postgres, library, milliseconds)
    try:
        yield server
    finally:
        server.close()
