"""`python -m tools.supply_chain audit|sbom --tools FOLDER`: FOLDER has the programs of requirements/audit.txt.

Needs the standard library only, so that it can say what is missing.
"""

import argparse
import os
import sys
from pathlib import Path

from tools.supply_chain.audit import Audited, audit, run_program
from tools.supply_chain.locked import FOLDER
from tools.supply_chain.sbom import SbomError, write_sbom

# Installed in production; for the demo; for development, which contains the others and the tests' programs.
FILES = ("line.txt", "demo.txt", "dev.txt")
OUTPUT = FOLDER.parent / "dist" / "certline.cdx.json"


def main() -> int:
    """Run one of the two. Returns the exit code: 1 for a vulnerability, and for what could not be done.

    In CI (`CI` is set) a missing network or program is said, and is no failure: another run finds out.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.supply_chain", description=__doc__)
    parser.add_argument("what", choices=("audit", "sbom"))
    parser.add_argument("--tools", type=Path, required=True)
    given = parser.parse_args()
    if not (given.tools / "pip-audit").exists():
        return not_done(f"{given.what}: the tools are not installed in {given.tools}")
    return audit_all(given.tools) if given.what == "audit" else make_sbom(given.tools)


def audit_all(tools: Path) -> int:
    """Audit every lock file. Returns the exit code."""
    code = 0
    for name in FILES:
        found = audit(tools / "pip-audit", FOLDER / name, run_program)
        if not found.answered:
            return code or not_done(
                f"audit: the list of vulnerabilities gives no answer here ({_why(found)})"
            )
        tell(
            f"audit: requirements/{name}: {found.looked_up - len(found.unknown)} packages looked up"
        )
        if found.unknown:
            tell(
                f"audit: NOT looked up, because the list does not have them: {', '.join(found.unknown)}"
            )
        for each in found.vulnerable:
            tell(f"audit: VULNERABLE: {each}")
            code = 1
    return code


def make_sbom(tools: Path) -> int:
    """Write the SBOM of what is installed in production. Returns the exit code."""
    project = FOLDER.parent / "pyproject.toml"
    try:
        count = write_sbom(
            tools / "cyclonedx-py", FOLDER / "line.txt", project, OUTPUT, run_program
        )
    except SbomError as error:
        tell(f"sbom: {error}")
        return 1
    tell(f"sbom: {count} packages in {OUTPUT.relative_to(FOLDER.parent)}")
    return 0


def not_done(why: str) -> int:
    """Say that nothing was done, and why. Returns 0 in CI, else 1."""
    in_ci = bool(os.environ.get("CI"))
    tell(f"{why}. NOTHING WAS CHECKED.{' This is no failure in CI.' if in_ci else ''}")
    return 0 if in_ci else 1


def tell(line: str) -> None:
    """Print a line to standard error, where CI shows it beside the output of the programs."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _why(found: Audited) -> str:
    return found.trouble or f"it does not know {', '.join(found.unknown)}"


if __name__ == "__main__":
    sys.exit(main())
