"""Tests of modules that run at their first use."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from threading import Barrier
from types import ModuleType

import pytest

from certline.cli import deferral

NAMES = ("late", "later")
Write = Callable[..., ModuleType]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Yield a function that writes modules, defers them, and imports the first one of them."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(deferral, "DEFERRED", frozenset(NAMES))
    monkeypatch.setattr(sys, "meta_path", [deferral.Deferral, *sys.meta_path])

    def write(*texts: str) -> ModuleType:
        for name, text in zip(NAMES, texts, strict=False):
            (tmp_path / f"{name}.py").write_text(text)
        return import_module(NAMES[0])

    yield write
    for name in NAMES:
        sys.modules.pop(name, None)


def test_a_module_runs_when_something_of_it_is_used(
    module: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    late = module("print('runs')\nvalue = 1")
    again = import_module("late")
    before = capsys.readouterr().out

    values = late.value, again.value

    assert before == ""
    assert values == (1, 1)
    assert capsys.readouterr().out == "runs\n"
    assert type(late) is ModuleType


def test_what_a_module_does_not_have_is_missing_as_in_any_other(module: Write) -> None:
    late = module("value = 1")

    with pytest.raises(AttributeError, match="nothing"):
        _ = late.nothing

    assert late.value == 1


def test_a_module_that_fails_says_so_at_each_use(module: Write) -> None:
    late = module("first = 1\nraise ImportError('no such library')")

    for _ in range(2):
        with pytest.raises(ImportError, match="no such library"):
            _ = late.second


def test_two_modules_may_use_each_other(module: Write) -> None:
    late = module("import later\nvalue = later.value + 1", "import late\nvalue = 1\n")

    assert late.value == 2


def test_a_thread_waits_until_another_one_has_run_the_module(module: Write) -> None:
    # Python changes threads several times meanwhile.
    late = module("count = sum(range(3_000_000))\nvalue = 1")
    begin = Barrier(4)

    def use(_: int) -> int:
        begin.wait()
        value: int = late.value
        return value

    with ThreadPoolExecutor(4) as threads:
        values = list(threads.map(use, range(4)))

    assert values == [1] * 4


def test_digests_and_tls_are_there_for_the_command_that_needs_them() -> None:
    program = (
        "from certline.cli.deferral import defer; defer()\n"
        "import sys, asyncio, hashlib, ssl, sqlalchemy.dialects.postgresql as dialects\n"
        "assert not {'_ssl', '_hashlib'} & set(sys.modules)\n"
        "print(hashlib.sha256(b'').hexdigest()[:8], ssl.create_default_context().check_hostname)\n"
        "print(asyncio.sslproto.SSLProtocol.__name__, dialects.asyncpg.dialect.driver)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["e3b0c442", "True", "SSLProtocol", "asyncpg"]
