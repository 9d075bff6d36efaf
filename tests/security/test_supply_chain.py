"""Tests of what an attacker tries through a dependency: another file or source, a known hole, a hidden part."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.supply_chain import __main__ as program
from tools.supply_chain.audit import Audited, audit
from tools.supply_chain.locked import FOLDER, locked_in, one_of
from tools.supply_chain.sbom import SbomError, missing_in, write_sbom

LOCKS = sorted(FOLDER.glob("*.txt"))
LINE = FOLDER / "line.txt"
HASH = "sha256:" + "ab" * 32


def answer(
    document: dict[str, Any] | None, code: int = 0, said: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Return how a program ended that printed this document."""
    output = "" if document is None else json.dumps(document)
    return subprocess.CompletedProcess([], code, output, said)


def known(*holes: str) -> dict[str, Any]:
    """Return the answer about one package that the list knows, with these vulnerabilities."""
    vulns = [{"id": hole, "fix_versions": ["2.0"], "aliases": []} for hole in holes]
    return {"dependencies": [{"name": "alpha", "version": "1.0", "vulns": vulns}], "fixes": []}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Return a lock file of two packages."""
    file = tmp_path / "lock.txt"
    file.write_text(
        f"alpha==1.0 \\\n    --hash={HASH}\n    # via certline\n"
        f"Be_ta[more]==2.0 ; python_version < '3.12' \\\n    --hash={HASH}\n"
    )
    return file


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_another_file_under_the_name_of_a_package_is_not_installed(file: Path) -> None:
    text = file.read_text("utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]

    assert len(entries) == sum(len(versions) for versions in locked_in(file).values())
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry
    # A source of its own would be asked before the usual one.
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|--trusted-host", text)


def test_every_installation_insists_on_the_hashes() -> None:
    root = FOLDER.parent
    for name in ("Makefile", "Dockerfile"):
        text = (root / name).read_text("utf-8").replace("\\\n", " ")
        installs = [line for line in text.splitlines() if re.search(r"install .*-r ", line)]
        assert installs
        assert all("--require-hashes" in line for line in installs), name


def test_ci_looks_for_known_holes_and_writes_the_list_of_parts() -> None:
    ci = (FOLDER.parent / ".ci" / "run").read_text("utf-8").splitlines()

    assert ci[-2:] == ["make sbom", "make audit"]


def test_a_package_with_a_known_hole_is_named_with_the_version_that_mends_it(lock: Path) -> None:
    found = audit(Path("pip-audit"), lock, lambda _: answer(known("PYSEC-1"), code=1))

    assert found.answered
    assert found.vulnerable == ("alpha 1.0: PYSEC-1, mended in 2.0",)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (answer(None, 1, "Traceback\nProxyError: no way out"), "ProxyError: no way out"),
        (answer(None, 3), "ended with 3"),
        (answer({"else": 1}), "ended with 0"),
    ],
)
def test_a_list_that_cannot_be_reached_is_not_taken_for_a_clean_one(
    lock: Path, told: "subprocess.CompletedProcess[str]", why: str
) -> None:
    found = audit(Path("pip-audit"), lock, lambda _: told)

    assert not found.answered
    assert why in str(found.trouble)


def test_a_mirror_that_knows_no_package_is_not_taken_for_a_clean_list(lock: Path) -> None:
    asked: list[Sequence[str]] = []
    nothing = {"dependencies": [{"name": "alpha", "skip_reason": "not found"}], "fixes": []}

    def run(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        asked.append(words)
        return answer(nothing)  # pip-audit's own word for it is "No known vulnerabilities found"

    found = audit(Path("pip-audit"), lock, run)

    assert not found.answered
    assert found.unknown == ("alpha",)
    assert len(asked) == 1  # one package was enough to see it


def test_a_program_that_is_missing_is_not_taken_for_a_clean_list(lock: Path) -> None:
    def run(_: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        raise FileNotFoundError("pip-audit")

    assert "cannot be run" in str(audit(Path("pip-audit"), lock, run).trouble)


@pytest.mark.parametrize(("ci", "code"), [("true", 0), ("", 1)])
def test_what_was_not_checked_is_said_aloud_also_in_ci(
    ci: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(program, "audit", lambda *_: Audited(trouble="no network"))

    assert program.audit_all(Path()) == code

    assert "(no network). NOTHING WAS CHECKED." in capsys.readouterr().err


def test_a_hole_is_a_failure_also_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(program, "audit", lambda *_: Audited(2, ("alpha 1.0: PYSEC-1",), ("beta",)))

    assert program.audit_all(Path()) == 1

    said = capsys.readouterr().err
    assert "VULNERABLE: alpha 1.0: PYSEC-1" in said
    assert "NOT looked up, because the list does not have them: beta" in said


def sbom(*parts: tuple[str, str], hashes: bool = True) -> dict[str, Any]:
    """Return a CycloneDX document with these parts."""
    link = {"type": "distribution", "hashes": [{"alg": "SHA-256", "content": "ab" * 32}]}
    return {
        "bomFormat": "CycloneDX",
        "components": [
            {"name": name, "version": version, "externalReferences": [link] if hashes else []}
            for name, version in parts
        ],
    }


def test_a_part_that_the_list_of_parts_lacks_is_noticed(lock: Path) -> None:
    assert missing_in(sbom(("alpha", "1.0"), ("be-ta", "2.0")), lock) == []
    assert missing_in(sbom(("alpha", "1.0")), lock) == ["be-ta 2.0"]
    assert missing_in(sbom(("alpha", "1.1"), ("be-ta", "2.0")), lock) == ["alpha 1.0"]
    assert missing_in(sbom(("alpha", "1.0"), hashes=False), lock) == ["alpha 1.0", "be-ta 2.0"]


def test_an_incomplete_list_of_parts_is_not_left_behind(lock: Path, tmp_path: Path) -> None:
    output = tmp_path / "dist" / "sbom.json"

    def run(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        Path(words[words.index("--output-file") + 1]).write_text(json.dumps(sbom(("alpha", "1.0"))))
        return answer(None)

    with pytest.raises(SbomError, match=r"not in it: be-ta 2\.0"):
        write_sbom(Path("cyclonedx-py"), lock, tmp_path / "pyproject.toml", output, run)

    assert not output.exists()


def test_one_package_of_a_lock_file_has_its_hashes() -> None:
    assert "--hash=" in one_of(LINE)
    assert len(re.findall("==", one_of(LINE))) == 1
