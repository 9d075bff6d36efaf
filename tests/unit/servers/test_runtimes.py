"""Tests of the message about an example, or the alerts, for which a program is not installed."""

import subprocess
from pathlib import Path

from tests.servers.__main__ import services_refused
from tests.servers.discovery import Machine
from tests.servers.runtimes import (
    JAVA,
    JAVASCRIPT,
    PROMETHEUS,
    PYTHON,
    RUNTIMES,
    is_fault,
    missing,
    to_install,
)


def nothing(_program: str) -> None:
    """Find no program, as on a bare machine."""


def everything(program: str) -> str:
    """Find every program."""
    return f"/usr/bin/{program}"


def test_python_is_always_there() -> None:
    assert missing(PYTHON, nothing) is None


def test_what_is_missing_is_named_with_the_line_that_gets_it() -> None:
    assert missing(JAVASCRIPT, nothing) == (
        "it needs node, npm (on Debian: apt-get install -y nodejs npm)"
    )
    assert "librabbitmq-client-java" in str(missing(JAVA, nothing))
    assert "prometheus, promtool (on Debian: apt-get install -y prometheus, which" in str(
        missing(PROMETHEUS, nothing)
    )


def test_a_node_without_the_client_of_the_lock_file_is_not_enough(tmp_path: Path) -> None:
    assert "npm ci" in str(missing(JAVASCRIPT, everything, tmp_path))
    (tmp_path / "amqplib").mkdir()
    assert missing(JAVASCRIPT, everything, tmp_path) is None


def test_on_ci_only_java_may_be_missing_and_elsewhere_each() -> None:
    ci, laptop = Machine(environ={"CI": "true"}), Machine()

    assert [each.language for each in (*RUNTIMES, PROMETHEUS) if not is_fault(each, ci)] == ["Java"]
    assert not any(is_fault(each, laptop) for each in (*RUNTIMES, PROMETHEUS))


def test_what_is_installed_where_that_is_wanted_is_what_ci_needs() -> None:
    assert to_install(nothing) == [
        "nodejs",
        "npm",
        "prometheus",
        "chromium",
        "systemd",
        "knot",
        "knot-dnsutils",
        "bind9",
    ]
    assert set(to_install(everything)) <= {"librabbitmq-client-java"}  # if a JDK is installed


def test_a_package_that_is_installed_starts_no_service_meanwhile(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"

    with services_refused(policy):
        assert subprocess.run([policy], check=False).returncode == 101

    assert not policy.exists()


def test_a_policy_of_the_machine_s_own_is_left_as_it_is(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")

    with services_refused(policy):
        pass

    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
