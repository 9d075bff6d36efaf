"""Tests of an operator's program that writes records."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from certline.workers.dns import (
    DnsError,
    DnsRefused,
    DnsTryLater,
    Method,
    Proof,
    Provider,
    open_provider,
)
from tests.servers.process import until

PROOF = Proof(Method.CNAME, "_4ab.eu.shop.example", "5c0.comodoca.example")


def provider_of(script: str, **settings: object) -> Provider:
    command = shlex.join(["sh", "-c", script])
    zones = ["shop.example", "eu.shop.example"]
    return open_provider("command", {"command": command, "zones": zones, **settings})


def is_running(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_record_is_in_its_environment_and_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", "hunter2")
    provider = provider_of(f"env | grep CERTLINE_ | sort >> {tmp_path}/seen")

    provider.publish(PROOF)
    provider.withdraw(PROOF)

    facts = [
        "CERTLINE_DNS_NAME=_4ab.eu.shop.example",
        "CERTLINE_DNS_TYPE=CNAME",
        "CERTLINE_DNS_VALUE=5c0.comodoca.example",
        "CERTLINE_DNS_ZONE=eu.shop.example",
    ]
    added, removed = "CERTLINE_DNS_ACTION=add", "CERTLINE_DNS_ACTION=remove"
    assert (tmp_path / "seen").read_text().split() == [added, *facts, removed, *facts]


def test_a_file_is_passed_with_its_url_and_the_zone_of_its_host(tmp_path: Path) -> None:
    provider = provider_of(
        f'printf "%s|" "$CERTLINE_DNS_TYPE" "$CERTLINE_DNS_NAME" "$CERTLINE_DNS_ZONE" > {tmp_path}/seen'
    )
    file = "http://www.shop.example/.well-known/pki-validation/4ab.txt"

    provider.publish(Proof(Method.HTTP, file, "one\ntwo"))

    assert (tmp_path / "seen").read_text() == f"HTTP|{file}|shop.example|"


@pytest.mark.parametrize(
    ("script", "error", "why"),
    [
        (
            "echo sorry >&2; exit 1",
            DnsRefused,
            "ended with exit code 1 to add _4ab.eu.shop.example",
        ),
        ("echo sorry; exit 75", DnsTryLater, "try later"),
        ("echo sorry; kill -9 $$", DnsTryLater, "ended by signal 9"),
    ],
)
def test_what_a_program_ends_with_is_said_but_not_what_it_prints(
    script: str, error: type[DnsError], why: str
) -> None:
    with pytest.raises(error, match=why) as said:
        provider_of(script).publish(PROOF)

    assert "sorry" not in str(said.value)
    assert said.value.output == "sorry\n"


def test_a_program_that_fails_in_silence_is_to_be_run_by_hand() -> None:
    with pytest.raises(DnsRefused, match="It printed nothing; run it by hand"):
        provider_of("exit 127").publish(PROOF)


def test_a_program_that_hangs_is_ended_with_all_it_has_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"

    with pytest.raises(DnsTryLater, match="did not finish within 1 s"):
        provider_of(script, timeout=1).publish(PROOF)

    child = (tmp_path / "child").read_text().strip()
    # A signal is sent to the whole group at once, and each process ends in its own time.
    until(lambda: not is_running(child), timeout=30)


@pytest.mark.skipif(sys.platform != "linux", reason="by a signal that only Linux has")
def test_a_program_ends_with_its_worker(tmp_path: Path) -> None:
    command = shlex.join(["sh", "-c", f"echo $$ > {tmp_path}/pid; while :; do sleep 0.2; done"])
    settings = {"command": command, "zones": ["shop.example"]}
    publishes = (
        "from certline.workers.dns import Method, Proof, open_provider; "
        f"open_provider('command', {settings!r}).publish(Proof(Method.CNAME, '_4ab.shop.example', 'b.example'))"
    )
    worker = subprocess.Popen([sys.executable, "-c", publishes])
    try:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), timeout=30)
    finally:
        worker.kill()
        worker.wait()

    pid = (tmp_path / "pid").read_text().strip()
    until(lambda: not is_running(pid), timeout=30)


def test_a_program_starts_where_its_user_cannot_run_our_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for python in ("/nonexistent", "/bin/false", str(tmp_path)):
        monkeypatch.setattr(sys, "executable", python)
        provider_of(f"echo {python} >> {tmp_path}/seen").publish(PROOF)

    assert (tmp_path / "seen").read_text().split() == ["/nonexistent", "/bin/false", str(tmp_path)]


def test_a_program_that_prints_without_end_is_ended_and_its_output_cut() -> None:
    with pytest.raises(DnsTryLater, match="did not finish within 1 s") as said:
        provider_of(
            f"exec {sys.executable} -c \"while True: print('x' * 1000)\"", timeout=1
        ).publish(PROOF)

    assert 0 < len(said.value.output) <= 4096


def test_a_program_that_is_not_there_is_said() -> None:
    provider = open_provider("command", {"command": "/nonexistent/dns", "zones": ["shop.example"]})

    with pytest.raises(DnsRefused, match="/nonexistent/dns could not be started: No such file"):
        provider.publish(PROOF)


def test_a_user_that_is_not_there_is_said() -> None:
    with pytest.raises(DnsRefused, match="there is no user 'nobody-such'"):
        provider_of("true", user="nobody-such").publish(PROOF)
