"""What a command imports, found in a process of its own."""

import subprocess
import sys

# Imported by what uses them only: SCM's client, Dramatiq, HTTP, keys, payloads, logs, help pages, migrations, and
# Python's OpenSSL, which `ssl` and `hashlib` load once they run (`certline.cli.deferral`).
HEAVY = (
    *("certline.workers.scm", "dramatiq", "pika", "requests", "urllib3", "cryptography"),
    *("pydantic", "structlog", "rich", "rich_click", "alembic", "croniter"),
    *("_ssl", "_hashlib"),
)
PROBE = """
import sys
from certline.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, *sys.modules, file=sys.stderr)
"""


def loaded_by(*words: str) -> set[str]:
    """Return the names of all modules that a command imports; it has to exit with 0."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True
    )
    code, *names = done.stderr.splitlines()[-1].split()  # warnings may stand before it
    assert code == "0", done.stderr
    return set(names)


def heavy_ones(names: set[str]) -> list[str]:
    """Return which of the heavy packages are among the names of modules."""
    return sorted(set(HEAVY) & names)
