"""A folder whose modules have the names that certline imports; importing one of them leaves a mark."""

from pathlib import Path

# Our folders, the package itself, dependencies and the standard library.
NAMES = (
    *("certline", "board", "cli", "models", "producers", "simulator", "workers", "tools"),
    *("click", "dramatiq", "pika", "psycopg", "requests", "sqlalchemy", "uvicorn"),
    *("json", "logging", "secrets", "urllib"),
)
SPRUNG = "sprung.txt"

# It imports nothing itself: the standard library's modules are trapped too.
MODULE = """
with open({mark!r}, "a") as mark:
    mark.write(__name__ + "\\n")
raise SystemExit("a module of the current folder was imported: " + __name__)
"""


def set_traps(folder: Path) -> Path:
    """Fill a folder with modules that must not be imported, and return the folder."""
    for name in NAMES:
        package = folder / name
        package.mkdir()
        (package / "__init__.py").write_text(MODULE.format(mark=str(folder / SPRUNG)))
        (folder / f"{name}.py").write_text(MODULE.format(mark=str(folder / SPRUNG)))
    return folder


def sprung(folder: Path) -> str:
    """Return the names of the modules that were imported from the folder, one a line."""
    mark = folder / SPRUNG
    return mark.read_text() if mark.exists() else ""
