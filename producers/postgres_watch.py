"""Stop the embedded Postgres when the process that uses it was killed, and so could not stop it.

Imports nothing of ours until then, since this process waits for as long as the other one runs.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres_ends_with_us(home: Path) -> Iterator[None]:
    """Have another process wait for the end of this one, however it ends, and then stop the server in `home`.

    The server goes on if other processes use it.
    """
    # The child reads from a pipe whose other end only this process has: it is closed when this process ends.
    child = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-P", "-m", __name__, str(home)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # neither Ctrl-C nor the end of the terminal must reach it
        env=_environment(),
    )
    yield
    # From here on this process stops the server as it exits.
    child.kill()
    child.wait()


def _environment() -> dict[str, str]:
    """Return our environment without our settings: this process needs no secret, and a hook could read its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CERTLINE_")}
    return {**kept, "PYTHONWARNINGS": "ignore"}


def main(home: Path) -> None:
    """Wait for the end of standard input, then use the server once: its last user stops it."""
    sys.stdin.buffer.read()
    # A server that was stopped must not be started for this.
    if (home / "postgres" / "postmaster.pid").exists():
        from certline.models.database.embedded_postgres import (  # noqa: PLC0415  # see above
            database_url,
        )
        from certline.models.settings import Settings  # noqa: PLC0415  # same

        database_url(Settings(home=home, database_url=None))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
