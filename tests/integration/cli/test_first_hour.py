"""Tests of README.md and docs/first-hour.md: their commands are run as written, against the simulator."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from certline.models import OrderStatus
from certline.simulator.server import Simulator, running
from tests.integration.cli.conftest import Typist
from tests.servers import Process, until
from tests.unit.cli.pages.test_readme import blocks

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "first-hour.md"
README = ROOT / "README.md"
# More certificates in force than licences.
ORDERS, LICENCES = 60, 20


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Yield a simulator that already holds a fleet."""
    with running(seed_orders=ORDERS) as server:
        yield server


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """Return a file with the password a user would type."""
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


@pytest.mark.slow
def test_every_command_of_the_page_works_in_its_turn(
    typist: Typist,
    simulator: Simulator,
    password: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "SCM": simulator.url,
        "CUSTOMER": "demo",
        "LOGIN": "admin",
        "CERTLINE_RATE_READ": "1000",
        "CERTLINE_POLL_SECONDS": "0.2",
    }.items():
        monkeypatch.setenv(name, value)
    lines = [line for line in blocks(PAGE) if line and not line.startswith("export ")]
    said: dict[str, str] = {}

    assert lines[:3] == ["certline init", "certline up", "certline doctor"]
    typed(typist, lines[0], password)
    with Process([sys.executable, "-P", "-m", "certline", "up"]):
        typed(typist, lines[2], password, code=1)  # there is no account yet
        for line in lines[3:]:
            waits = line == "certline import --wait"  # it waits for more licences
            ends = line == "certline doctor"  # some certificates end soon, and nothing is planned
            said[line] = typed(typist, line, password, code=3 if waits else 1 if ends else 0)
            if line == "certline license set 1000":
                until(lambda: not held(typist), 60)

    [faults] = re.findall(r"^FAULT +(.*)$", said["certline doctor"], re.MULTILINE)
    assert "end soon with nothing under way" in faults
    assert re.search(r"held orders +[1-9]", said["certline license show"])
    assert len(typist.json("order", "list")) == ORDERS
    assert len(typist.json("certificate", "list")) > LICENCES
    at_scm = requests.get(f"{simulator.door}/orders", timeout=30).json()
    assert len(at_scm) == ORDERS  # nothing was ordered


@pytest.mark.slow
def test_the_first_order_of_the_readme_works_as_it_is_printed(
    typist: Typist, password: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CERTLINE_POLL_SECONDS", "0.2")
    monkeypatch.chdir(tmp_path)
    lines = list(blocks(README))
    begin, end = lines.index("certline init"), lines.index("certline auto-renew plan")
    work = [line for line in lines[begin : end + 1] if line.startswith("certline ")]
    assert work.pop(1) == "certline up"

    with running() as server:
        typed(typist, work.pop(0), password)
        with Process([sys.executable, "-P", "-m", "certline", "up"]):
            for line in work:
                # The simulator of the page listens on its usual port, which may be taken here.
                here = line.replace("http://127.0.0.1:8500/api", server.url)
                typed(typist, here, password, code=0)
        at_scm = requests.get(f"{server.door}/orders", timeout=30).json()

    assert [order["commonName"] for order in at_scm] == ["shop.nordhafen.example"]
    assert (tmp_path / "shop.p12").stat().st_size > 1000


def typed(typist: Typist, line: str, password: Path, *, code: int = 0) -> str:
    """Run a line as the shell would; the password comes from a file."""
    words = shlex.split(os.path.expandvars(line.replace(" set 500", f" set {LICENCES}")))
    if ">" in words:
        words = words[: words.index(">")]
    if words[1:3] == ["account", "add"]:
        words += ["--password-file", str(password)]
    return typist.types(*words[1:], code=code)


def held(typist: Typist) -> int:
    return len(typist.json("order", "list", "--status", OrderStatus.HELD.value))
