"""The locked requirements: which packages, in which version."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "requirements"
# `name==version`, before markers and hashes; a lock file has one at the start of a line.
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def locked_in(file: Path) -> dict[str, set[str]]:
    """Return the versions of each package in a lock file, by its normalised name; two if markers choose."""
    found: dict[str, set[str]] = {}
    for name, version in PINNED.findall(file.read_text("utf-8")):
        found.setdefault(normalised(name), set()).add(version)
    return found


def normalised(name: str) -> str:
    """Return a package's name as it is compared: in lower case, with one hyphen between words (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def one_of(file: Path) -> str:
    """Return the text of a lock file with the first package alone, and its hashes."""
    first, *_ = re.split(r"^(?=[A-Za-z0-9])", file.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return first
