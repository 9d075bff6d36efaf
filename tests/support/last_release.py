"""The last release, as `pyproject.toml` names it: its source, and its processes beside those of this version."""

import io
import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.servers import Process, session

ROOT = Path(__file__).parents[2]
# A folder with the source of another version, to be used in place of the last release.
ELSEWHERE = "CERTLINE_TEST_LAST_RELEASE"


class NoReleaseError(RuntimeError):
    """The source of the last release is not at hand; the text says how to get it."""


@dataclass(frozen=True)
class LastRelease:
    """What the last release is. `commit`: of this repository; `migration`: the newest that it knows."""

    version: str
    commit: str
    migration: str

    def migrations(self) -> set[str]:
        """Return the file names of the migrations that the release has. Raises NoReleaseError."""
        listed = self._git("ls-tree", "--name-only", self.commit, "models/migrations/versions/")
        return {Path(line).name for line in listed.decode().split()}

    def archive(self) -> bytes:
        """Return its source as a tar archive. Raises NoReleaseError."""
        return self._git("archive", "--format=tar", self.commit)

    def _git(self, *words: str) -> bytes:
        try:
            done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)
        except FileNotFoundError:
            raise NoReleaseError("needs git, which is not installed") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise NoReleaseError(
                f"needs the source of the last release, {self.version} (commit {self.commit}), and git says: "
                f"{said}. In a shallow clone type `git fetch --unshallow` (in CI: clone with the whole history), "
                f"or name a folder with that source in {ELSEWHERE}."
            )
        return done.stdout


def last_release() -> LastRelease:
    """Return what pyproject.toml names as the last release."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return LastRelease(**stated["tool"]["certline"]["last-release"])


class Installed:
    """The source of a release in a folder, run by this interpreter and with the libraries of this version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *words: str, environment: Mapping[str, str]) -> Process:
        """Start `certline` with these arguments, in this environment."""
        # Before site-packages, where an editable installation names the folder of this version.
        variables = {**environment, "PYTHONPATH": str(self.folder)}
        return Process([sys.executable, "-P", "-m", "certline", *words], variables)

    def type(self, *words: str, environment: Mapping[str, str], given: str = "") -> str:
        """Run a command to its end, with `given` as its input, and return what it has printed."""
        variables = {**os.environ, **environment, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "certline", *words],
            input=given,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def origin(self) -> Path:
        """Return the folder from which its processes import certline."""
        script = "from certline import models; print(models.__file__)"
        variables = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-P", "-c", script]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        return Path(done.stdout.strip()).parents[2]


@cache
def installed() -> Installed:
    """Return the last release, its source unpacked into the folder of this run. Raises NoReleaseError."""
    if (elsewhere := os.environ.get(ELSEWHERE)) is not None:
        return Installed(Path(elsewhere).resolve())
    archive = last_release().archive()
    folder = session.subfolder("last-release")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return Installed(folder)
