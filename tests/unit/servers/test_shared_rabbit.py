# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""One RabbitMQ server for all test processes of a run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers import session
from tests.servers.rabbit_server import RabbitServer
from tests.servers.shared_rabbit import RabbitOwner, SharedRabbit


class Recorder(RabbitServer):
    """A server that only records what it is asked to do."""

    url = "amqp://guest:guest@127.0.0.1:5672/%2F"

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def start(self) -> None:
        self.calls.append(("start",))

    def stop(self) -> None:
        self.calls.append(("stop",))

    def kill(self) -> None:
        self.calls.append(("kill",))

    def close(self) -> None:
        self.calls.append(("close",))

    def ctl(self, *args: str) -> str:
        if args == ("wrong",):
            raise ChildProcessError("no such command")
        self.calls.append(args)
        return "done"


@pytest.fixture
def started() -> list[Recorder]:
    return []


@pytest.fixture
def owner(started: list[Recorder]) -> Iterator[RabbitOwner]:
    def start() -> Recorder:
        started.append(Recorder())
        return started[-1]

    owner = RabbitOwner(start)
    yield owner
    owner.close()


def test_it_is_started_once_when_the_first_process_needs_it(
    owner: RabbitOwner, started: list[Recorder]
) -> None:
    assert started == []

    with ThreadPoolExecutor(4) as processes:
        found = list(processes.map(lambda _: SharedRabbit(str(owner.path)), range(4)))

    assert [server.url for server in found] == [Recorder.url] * 4
    assert len(started) == 1


def test_a_vhost_is_made_and_deleted_by_the_owner(
    owner: RabbitOwner, started: list[Recorder]
) -> None:
    with SharedRabbit(str(owner.path)).vhost() as url:
        assert session.suffix() in url

    assert [words[0] for words in started[0].calls] == ["eval", "delete_vhost"]


def test_a_command_that_fails_fails_in_the_process_that_asked(owner: RabbitOwner) -> None:
    with pytest.raises(ChildProcessError, match="no such command"):
        SharedRabbit(str(owner.path)).ctl("wrong")


def test_no_process_stops_what_others_use(owner: RabbitOwner, started: list[Recorder]) -> None:
    server = SharedRabbit(str(owner.path))

    server.close()
    with pytest.raises(RuntimeError, match="private_rabbitmq"):
        server.restart()

    assert started[0].calls == []


def test_it_ends_with_its_owner(owner: RabbitOwner, started: list[Recorder]) -> None:
    server = SharedRabbit(str(owner.path))

    owner.close()

    assert started[0].calls == [("close",)]
    with pytest.raises(OSError, match="No such file"):
        server.ctl("status")
