"""Tests of the order in which servers are searched for, and of the advice where there is none."""

from pathlib import Path

import pytest

from tests.servers.discovery import (
    IMAGES,
    VARIABLES,
    Machine,
    MissingServerError,
    Origin,
    Server,
    advise,
    find,
)

ROOT = Path(__file__).parents[3]
EVERYTHING = Machine(
    environ=dict.fromkeys(VARIABLES.values(), "scheme://given"),
    docker_refusal=lambda _image: None,
    program=lambda server: Path("/programs") / server,
)


@pytest.mark.parametrize("server", Server)
def test_a_server_that_is_given_comes_before_all(server: Server) -> None:
    found = find(server, EVERYTHING)

    assert (found.origin, found.where) == (Origin.GIVEN, "scheme://given")


@pytest.mark.parametrize("server", Server)
def test_a_server_that_a_test_kills_is_never_the_given_one(server: Server) -> None:
    found = find(server, EVERYTHING, private=True)

    assert (found.origin, found.where) == (Origin.DOCKER, IMAGES[server])


@pytest.mark.parametrize("server", Server)
def test_programs_of_the_machine_come_after_docker(server: Server) -> None:
    machine = Machine(program=EVERYTHING.program)

    found = find(server, machine)

    assert (found.origin, found.where) == (Origin.LOCAL, f"/programs/{server}")


def test_a_docker_that_can_not_run_the_image_is_passed_over_and_says_why() -> None:
    machine = Machine(docker_refusal=lambda image: f"no {image}", program=EVERYTHING.program)

    found = find(Server.RABBITMQ, machine)

    assert found.origin is Origin.LOCAL
    assert f"(no {IMAGES[Server.RABBITMQ]})" in str(found)


@pytest.mark.parametrize("server", Server)
def test_a_server_that_is_nowhere_fails_with_what_to_do(server: Server) -> None:
    with pytest.raises(MissingServerError) as missing:
        find(server, Machine())

    assert advise(server, Machine()).text in str(missing.value)
    assert VARIABLES[server] in str(missing.value)


def test_a_given_address_is_not_shown_since_it_has_a_password() -> None:
    assert "scheme://given" not in str(find(Server.POSTGRES, EVERYTHING))


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        (Machine(root=True), "RabbitMQ: apt-get install -y rabbitmq-server\n"),
        (Machine(root=False), "RabbitMQ: sudo apt-get install -y rabbitmq-server\n"),
        (Machine(system="Darwin", debian=False), "RabbitMQ: brew install rabbitmq\n"),
        (Machine(debian=False), "install the package rabbitmq-server"),
    ],
)
def test_the_advice_fits_the_system(machine: Machine, line: str) -> None:
    assert line in advise(Server.RABBITMQ, machine).text


def test_only_root_on_debian_is_offered_an_installation() -> None:
    offered = advise(Server.RABBITMQ, Machine(root=True))

    assert offered.command == ("apt-get", "install", "-y", "rabbitmq-server")
    assert "CERTLINE_INSTALL=1" in offered.text
    assert not advise(Server.RABBITMQ, Machine(root=False)).command
    assert not advise(Server.RABBITMQ, Machine(root=True, debian=False)).command
    assert not advise(Server.POSTGRES, Machine(root=True)).command


def test_the_tests_use_the_images_that_compose_uses() -> None:
    compose = (ROOT / "compose.yaml").read_text()

    for image in IMAGES.values():
        assert f":-{image}}}\n" in compose
