"""Tests of DNS providers by dns-lexicon, with its own code for PowerDNS and a stand-in for that server's API."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certline.workers.dns import DnsRefused, DnsTryLater, Method, Proof, Provider, open_provider
from certline.workers.dns.lexicon import options_of, provider_names
from tests.servers.process import Process, until
from tests.support.power_dns import SECRET, PowerDns

ZONE = "shop.example"
TEXT = Proof(Method.TXT, f"_4ab.{ZONE}", "a proof")
INNER = Proof(Method.CNAME, f"_4ab.{ZONE}", f"there.{ZONE}")


@pytest.fixture
def server() -> Iterator[PowerDns]:
    """Run the stand-in."""
    server = PowerDns()
    yield server
    server.close()


def provider_of(server: PowerDns, secret: str = SECRET) -> Provider:
    settings = {"provider": "powerdns", "zones": [ZONE], "options": {"pdns_server": server.url}}
    return open_provider("lexicon", settings, {"auth_token": secret})


@pytest.mark.parametrize("proof", [TEXT, INNER])
def test_a_record_is_published_once_and_withdrawn(server: PowerDns, proof: Proof) -> None:
    provider, kind = provider_of(server), proof.method.upper()

    provider.publish(proof)
    provider.publish(proof)

    assert len(server.at(TEXT.name, kind)) == 1
    provider.withdraw(proof)
    provider.withdraw(proof)
    assert server.at(TEXT.name, kind) == []


def test_texts_of_others_stay(server: PowerDns) -> None:
    server.records[f"{TEXT.name}.", "TXT"] = ['"theirs"']
    provider = provider_of(server)

    provider.publish(TEXT)

    assert sorted(server.at(TEXT.name, "TXT")) == ['"a proof"', '"theirs"']
    provider.withdraw(TEXT)
    assert server.at(TEXT.name, "TXT") == ['"theirs"']


@pytest.mark.parametrize(
    ("kind", "content", "proof"),
    [
        ("CNAME", f"other.{ZONE}.", INNER),
        ("CNAME", f"other.{ZONE}.", TEXT),
        ("TXT", '"theirs"', INNER),
    ],
)
def test_what_is_there_already_is_named_and_left_as_it_is(
    server: PowerDns, kind: str, content: str, proof: Proof
) -> None:
    server.records[f"{TEXT.name}.", kind] = [content]

    with pytest.raises(DnsRefused, match=f"has {kind} '.*' already: it is left as it is"):
        provider_of(server).publish(proof)
    provider_of(server).withdraw(proof)

    assert server.at(TEXT.name, kind) == [content]


def test_a_target_that_dns_lexicon_takes_for_one_of_the_zone_is_not_left_there(
    server: PowerDns,
) -> None:
    outer = Proof(Method.CNAME, TEXT.name, "5c0.comodoca.test")

    with pytest.raises(
        DnsRefused, match=r"wrote CNAME '5c0.comodoca.test.shop.example' in place of"
    ):
        provider_of(server).publish(outer)

    assert server.at(TEXT.name, "CNAME") == []


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (500, DnsTryLater, "answers with status 500"),
        (429, DnsTryLater, "answers with status 429"),
        (403, DnsRefused, "refuses the login, or the right to change shop.example"),
        (404, DnsRefused, "answers with status 404; is shop.example a zone there"),
    ],
)
def test_an_answer_that_is_an_error_is_said_without_its_text(
    server: PowerDns, status: int, error: type[Exception], why: str
) -> None:
    server.status = status

    with pytest.raises(error, match=why) as said:
        provider_of(server).publish(TEXT)

    assert SECRET not in str(said.value)


def test_a_wrong_login_is_said_and_not_repeated(server: PowerDns) -> None:
    with pytest.raises(DnsRefused, match="refuses the login") as said:
        provider_of(server, "hunter2").publish(TEXT)

    assert "hunter2" not in str(said.value)
    assert "hunter2" not in repr(provider_of(server, "hunter2"))


def test_an_interface_that_is_away_is_asked_later(server: PowerDns) -> None:
    provider = provider_of(server)
    server.close()

    with pytest.raises(DnsTryLater, match="cannot be reached"):
        provider.publish(TEXT)


def test_an_interface_that_is_silent_is_given_up(
    server: PowerDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.dns.lexicon.WHOLE", 3)
    server.hold.clear()

    with pytest.raises(DnsTryLater, match="did not answer within 3 s"):
        provider_of(server).publish(TEXT)


def test_options_that_are_missing_are_said() -> None:
    provider = open_provider("lexicon", {"provider": "powerdns", "zones": [ZONE]}, {})

    with pytest.raises(DnsRefused, match="are all options given that it needs"):
        provider.publish(TEXT)


def test_a_package_that_a_provider_needs_is_named() -> None:
    provider = open_provider("lexicon", {"provider": "localzone", "zones": [ZONE]}, {})

    with pytest.raises(DnsRefused, match=r"localzone"):
        provider.publish(TEXT)


def test_what_lies_outside_its_zones_is_refused(server: PowerDns) -> None:
    with pytest.raises(DnsRefused, match="lies in none of the provider's zones: "):
        provider_of(server).publish(Proof(Method.TXT, "_4ab.other.example", "a"))
    with pytest.raises(DnsRefused, match="is a file on a web server"):
        provider_of(server).publish(Proof(Method.HTTP, f"http://{ZONE}/a", "a"))

    assert server.headers == []


def test_its_providers_are_known_by_name_with_their_options() -> None:
    names = provider_names()

    assert {"cloudflare", "route53", "hetzner", "powerdns", "azure"} <= set(names)
    assert len(names) > 80
    assert options_of("cloudflare") == ["auth_username", "auth_token", "zone_id"]
    assert not {"auto", "base", "__init__"} & set(names)
    with pytest.raises(DnsRefused, match="knows no provider 'nosuch'"):
        open_provider("lexicon", {"provider": "nosuch", "zones": [ZONE]}, {})


def test_the_process_has_nothing_of_our_environment(
    server: PowerDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    # dns-lexicon's own variables would win over what was stored.
    monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", "of the environment")
    monkeypatch.setenv("CERTLINE_SECRET_KEY", "hunter2")
    # A proxy is a way to the network, and is passed on.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    provider_of(server).publish(TEXT)

    assert {headers["X-API-Key"] for headers in server.headers} == {SECRET}


def test_the_process_ends_with_its_worker_and_writes_nothing_afterwards(server: PowerDns) -> None:
    server.hold.clear()
    program = (
        "from certline.workers.dns import Method, Proof, open_provider;"
        f"settings = {{'provider': 'powerdns', 'zones': [{ZONE!r}]}};"
        f"settings['options'] = {{'pdns_server': {server.url!r}}};"
        f"proof = Proof(Method.TXT, {TEXT.name!r}, {TEXT.value!r});"
        f"open_provider('lexicon', settings, {{'auth_token': {SECRET!r}}}).publish(proof)"
    )
    with Process([sys.executable, "-c", program]) as worker:
        until(lambda: server.headers, 30)
        (child,) = children_of(worker.pid)
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not is_running(child), 10)
    server.hold.set()

    assert server.at(TEXT.name, "TXT") == []


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def is_running(pid: int) -> bool:
    """Return True unless a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
