"""Tests of docs/domains.md: the lines of its five minutes run as printed, with Knot DNS and a CA that looks."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.integration.cli.conftest import Typist
from tests.servers import Process, session, until
from tests.servers.runtimes import PLACES
from tests.unit.cli.pages.test_readme import BLOCK

PAGE = (Path(__file__).parents[4] / "docs" / "domains.md").read_text()
DOMAIN = "nordhafen.example"
# Seconds for one block, with a validation that waits for the CA.
PATIENCE = 240


@dataclass
class Reader:
    """A reader of the page at a shell, with ports of its own in place of the page's."""

    home: Path
    ports: dict[str, int]

    def here(self, text: str) -> str:
        """Return lines of the page with this machine's ports."""
        for port, own in self.ports.items():
            text = re.sub(rf"([:@ ]){port}\b", rf"\g<1>{own}", text)
        return text

    def types(self, block: str) -> str:
        """Run a block, which has to end with 0. Returns what it prints."""
        folders = [str(Path(sys.executable).parent), *PLACES]
        environment = os.environ | {"HOME": str(self.home), "PATH": os.pathsep.join(folders)}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(block)],
            env=environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        return done.stdout

    def looks(self) -> list[dict[str, object]]:
        """Return what the simulator's CA has looked at."""
        url = f"http://127.0.0.1:{self.ports['8500']}/_sim/looks"
        found: list[dict[str, object]] = requests.get(url, timeout=30).json()
        return found


def section(title: str) -> list[str]:
    """Return the shell blocks below a heading of the page."""
    text = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]
    return [block for language, block in BLOCK.findall(text) if language == "sh"]


@pytest.fixture
def reader(
    typist: Typist,
    tmp_path: Path,
    name_server_programs: None,  # noqa: ARG001  # without them nothing is started
) -> Iterator[Reader]:
    """Yield a reader who has come as far as the README's first order: an account, and all parts running."""
    ports = {"5300": session.free_port(), "8500": session.free_port()}
    reader = Reader(tmp_path, ports)
    door = f"http://127.0.0.1:{ports['8500']}"
    password = tmp_path / "password"
    password.write_text("secret\n")
    certline = [sys.executable, "-P", "-m", "certline"]
    typist.types("init")
    with Process([*certline, "simulator", "--port", str(ports["8500"])]) as simulator:
        until(lambda: _is_up(f"{door}/_sim/settings"), 60)
        with Process([*certline, "up", "--no-board"], {"HOME": str(tmp_path)}):
            words = ["--url", f"{door}/api", "--customer-uri", "demo", "--login", "admin"]
            typist.types("account", "add", "demo", *words, "--password-file", str(password))
            typist.types("sync", "--wait")
            try:
                yield reader
            finally:
                assert simulator.exit_code is None
                if (tmp_path / "dns-try" / "knot.pid").exists():
                    reader.types("kill $(cat ~/dns-try/knot.pid)")


@pytest.mark.slow
def test_a_new_reader_validates_a_domain_in_five_minutes_and_the_ca_has_looked(
    reader: Reader,
) -> None:
    server, told, work, second, *_ = section("By dynamic update, in five minutes")

    reader.types(server)
    reader.types(told)
    said = reader.types(work)

    assert f"wrote _certline-test.{DOMAIN} TXT" in said
    assert "removed it" in said
    assert "done: validated until 20" in said
    [look] = reader.looks()
    assert (look["domain"], look["mode"], look["why"]) == (DOMAIN, "CNAME", None)
    key = reader.home / "dns-try" / "key.conf"
    assert key.stat().st_mode & 0o077 == 0

    assert "Reloaded" in reader.types(second)
    _, program, own = section("By a program")
    (reader.home / "dns-try" / "proof").write_text(reader.here(program))
    assert "removed it" in reader.types(own)
    assert (reader.home / "dns-try" / "line.key").stat().st_mode & 0o077 == 0

    # A person makes the alias, here by the program.
    label = f"_{hashlib.sha256(DOMAIN.encode()).hexdigest()[:32]}"
    reader.types(
        f"CERTLINE_DNS_ACTION=add CERTLINE_DNS_TYPE=CNAME CERTLINE_DNS_ZONE={DOMAIN} "
        f"CERTLINE_DNS_NAME={label}.{DOMAIN} CERTLINE_DNS_VALUE={label}.proofs.example ~/dns-try/proof"
    )
    *_, another = section("Into another zone")
    reader.types(another)
    seen = json.loads(reader.types(f"certline domain show {DOMAIN} --json"))
    assert f"{label}.proofs.example" in json.dumps(seen)
    assert [each["why"] for each in reader.looks()] == [None, None, None]


def _is_up(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False
