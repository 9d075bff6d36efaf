"""Tests of what is said where no hosts can be made."""

import pytest

from tests.faults.hosts import namespaces, shifted_clock
from tests.faults.hosts.namespaces import NoHostsError, open_hosts
from tests.faults.hosts.shifted_clock import NoCompilerError, shifted_by


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "SBIN", "/nowhere")

    with pytest.raises(NoHostsError, match="apt-get install iproute2 util-linux"):
        open_hosts(1, ["net"]).__enter__()


def test_who_is_not_root_is_told_that_only_root_can_make_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespaces, "_where", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(NoHostsError, match="only root can make"):
        open_hosts(1, ["net"]).__enter__()


def test_without_a_compiler_the_package_of_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shifted_clock._library.cache_clear()
    monkeypatch.setattr("shutil.which", lambda _name: None)

    with pytest.raises(NoCompilerError, match="apt-get install gcc libc6-dev"):
        shifted_by(300)
