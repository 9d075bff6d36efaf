"""The SBOM: a CycloneDX document of the locked requirements, with the hashes that an installation insists on."""

import json
from pathlib import Path
from typing import Any

from tools.supply_chain.audit import Run
from tools.supply_chain.locked import locked_in, normalised


class SbomError(Exception):
    """The SBOM could not be made, or lacks a package."""


def write_sbom(program: Path, file: Path, project: Path, output: Path, run: Run) -> int:
    """Write the SBOM of a lock file, and compare it with the file. Returns its number of packages.

    Raises SbomError; then there is no output.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    words = [str(program), "requirements", str(file), "--pyproject", str(project)]
    words += ["--output-reproducible", "--output-format", "JSON", "--output-file", str(output)]
    try:
        ended = run(words)
    except OSError as error:
        raise SbomError(f"{program.name} cannot be run: {error}") from None
    if ended.returncode or not output.exists():
        raise SbomError(ended.stderr.strip() or f"{program.name} ended with {ended.returncode}")
    missing = missing_in(json.loads(output.read_text("utf-8")), file)
    if missing:
        output.unlink()
        raise SbomError(f"packages of {file.name} are not in it: {', '.join(missing)}")
    return len(locked_in(file))


def missing_in(document: dict[str, Any], file: Path) -> list[str]:
    """Return the locked packages that a CycloneDX document lacks, or has without their version or a hash."""
    found = {
        (normalised(each["name"]), each.get("version"))
        for each in document.get("components", [])
        if any(link.get("hashes") for link in each.get("externalReferences", []))
    }
    wanted = {(name, version) for name, those in locked_in(file).items() for version in those}
    return sorted(f"{name} {version}" for name, version in wanted - found)
