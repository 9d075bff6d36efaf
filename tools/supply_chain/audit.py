"""The audit: pip-audit looks each locked package up in a public list of vulnerabilities.

pip-audit alone says "no known vulnerabilities" also where the list knows none of the packages, as behind a mirror
without it; and ends with 1 for a network that is missing as for a vulnerability.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.supply_chain.locked import one_of

# Seconds for one answer, and for the whole run.
ANSWER, WHOLE = 15, 600

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Audited:
    """What an audit found. `unknown`: packages that the list does not have; `trouble`: why there is no answer."""

    looked_up: int = 0
    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    trouble: str | None = None

    @property
    def answered(self) -> bool:
        """True if the list knows at least one of the packages."""
        return self.trouble is None and self.looked_up > len(self.unknown)


def audit(program: Path, file: Path, run: Run) -> Audited:
    """Audit a lock file. A first look at one package finds out cheaply whether there is a list at all."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.txt"
        one.write_text(one_of(file), "utf-8")
        first = _ask(program, one, run)
    return _ask(program, file, run) if first.answered else first


def run_program(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, and capture what it says. Raises OSError, subprocess.TimeoutExpired."""
    return subprocess.run(  # noqa: S603  # our own tools
        words, capture_output=True, text=True, check=False, timeout=WHOLE
    )


def _ask(program: Path, file: Path, run: Run) -> Audited:
    words = [str(program), "--requirement", str(file), "--require-hashes", "--disable-pip"]
    words += ["--format", "json", "--progress-spinner", "off", "--timeout", str(ANSWER)]
    try:
        ended = run(words)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Audited(trouble=f"{program.name} cannot be run: {error}")
    try:
        return _read(json.loads(ended.stdout))
    except (ValueError, KeyError, TypeError):
        said = ended.stderr.strip().splitlines()
        return Audited(trouble=said[-1][:300] if said else f"it ended with {ended.returncode}")


def _read(document: dict[str, Any]) -> Audited:
    packages: list[dict[str, Any]] = document["dependencies"]
    return Audited(
        len(packages),
        tuple(
            f"{each['name']} {each['version']}: {found['id']}"
            + (f", mended in {', '.join(found['fix_versions'])}" if found["fix_versions"] else "")
            for each in packages
            for found in each.get("vulns", [])
        ),
        tuple(each["name"] for each in packages if "skip_reason" in each),
    )
