"""The virtual environment that the Celery stand-in runs in, apart from certline's own."""

import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-celery"
LOCK = Path(__file__).parent / "celery_stand_in" / "requirements.txt"
PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes", "-r"]


def python() -> Path:
    """Return the environment's Python; it is made first if it is missing or older than its lock file."""
    made = ENVIRONMENT / ".made"
    program = ENVIRONMENT / "bin" / "python"
    if not made.exists() or made.stat().st_mtime < LOCK.stat().st_mtime:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        done = subprocess.run(
            [str(program), *PIP, str(LOCK)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChildProcessError(f"Celery could not be installed:\n{done.stderr}")
        made.touch()
    return program


def celery_version() -> str:
    """Return the version of Celery in the environment."""
    line = next(each for each in LOCK.read_text().splitlines() if each.startswith("celery=="))
    return line.split()[0].removeprefix("celery==")
