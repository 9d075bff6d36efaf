"""Tests of dynamic update with TSIG against real name servers: Knot DNS and BIND, each as the primary."""

import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from certline.workers.dns import (
    DnsRefused,
    DnsTryLater,
    Method,
    Proof,
    Resolution,
    look,
    open_provider,
)
from tests.integration.workers.dns.conftest import ZONE, seen_at, updater, updater_at
from tests.servers.dns import DnsServer
from tests.servers.name_zones import OTHER_KEY, PRIMARY
from tests.servers.session import free_port
from tests.servers.updated_primary import UpdatedPrimary

TEXT = Proof(Method.TXT, f"_certline.{ZONE}", "a proof, with 'quotes' and \"double\" ones; 100 %")
ALIAS = Proof(Method.CNAME, f"_d41d8.{ZONE}", "5c0.comodoca.example")
WRONG = b64encode(b"not the secret of any key at all").decode()


@pytest.mark.parametrize("proof", [TEXT, ALIAS])
def test_a_record_is_published_once_and_withdrawn(primary: UpdatedPrimary, proof: Proof) -> None:
    provider, kind = updater_at(primary), proof.method.upper()

    provider.publish(proof)
    provider.publish(proof)

    assert len(primary.read(proof.name, kind)) == 1
    assert look(proof, seen_at(primary)).seen
    provider.withdraw(proof)
    provider.withdraw(proof)
    assert primary.read(proof.name, kind) == []


def test_a_secondary_shows_the_record_too(dns_server: DnsServer, how: Resolution) -> None:
    updater(dns_server).publish(TEXT)

    dns_server.propagate(TEXT.name)
    assert look(TEXT, how).seen


def test_a_long_text_is_split_into_strings_and_seen_as_one(primary: UpdatedPrimary) -> None:
    long = Proof(Method.TXT, TEXT.name, "0123456789" * 60)

    updater_at(primary).publish(long)

    assert primary.read(long.name, "TXT") == [long.value]
    assert look(long, seen_at(primary)).seen


def test_texts_of_others_stay(primary: UpdatedPrimary) -> None:
    primary.add(ZONE, "TXT", "v=spf1 -all")
    beside, provider = Proof(Method.TXT, ZONE, "ours"), updater_at(primary)

    provider.publish(beside)

    assert primary.read(ZONE, "TXT") == ["ours", "v=spf1 -all"]
    provider.withdraw(beside)
    assert primary.read(ZONE, "TXT") == ["v=spf1 -all"]


@pytest.mark.parametrize(
    ("there", "value", "proof", "said"),
    [
        ("CNAME", "elsewhere.test.", ALIAS, "CNAME 'elsewhere.test'"),
        ("CNAME", "elsewhere.test.", TEXT, "CNAME 'elsewhere.test'"),
        ("TXT", "v=spf1 -all", ALIAS, "TXT 'v=spf1 -all'"),
        ("A", "192.0.2.7", ALIAS, "a record 'of another type'"),
    ],
)
def test_what_is_there_already_is_named_and_left_as_it_is(
    primary: UpdatedPrimary, there: str, value: str, proof: Proof, said: str
) -> None:
    primary.add(proof.name, there, value)

    with pytest.raises(DnsRefused, match="which is left as it is") as refused:
        updater_at(primary).publish(proof)

    assert said in str(refused.value)
    assert primary.read(proof.name, there) == [value]


def test_an_alias_of_others_is_not_withdrawn(primary: UpdatedPrimary) -> None:
    primary.add(ALIAS.name, "CNAME", "elsewhere.test.")

    updater_at(primary).withdraw(ALIAS)

    assert primary.read(ALIAS.name, "CNAME") == ["elsewhere.test."]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ({"secret": WRONG}, "the secret is not that of the TSIG key"),
        ({"name": "nobody.", "secret": WRONG}, "does not know this TSIG key"),
        ({"algorithm": "hmac-sha512"}, "knows it with another algorithm"),
    ],
)
def test_a_wrong_key_is_said(primary: UpdatedPrimary, key: dict[str, str], why: str) -> None:
    with pytest.raises(DnsRefused, match=why) as refused:
        updater_at(primary, **key).publish(TEXT)

    assert WRONG not in str(refused.value)
    assert primary.read(TEXT.name, "TXT") == []


def test_a_zone_that_the_key_may_not_change_is_said(primary: UpdatedPrimary) -> None:
    key = {"name": OTHER_KEY, "secret": primary.secrets[OTHER_KEY]}
    # Knot refuses the key, BIND the change.
    why = {
        "knot": "does not let it change this zone",
        "bind": "does not let this key change this record",
    }

    with pytest.raises(DnsRefused, match=why[primary.kind]):
        updater_at(primary, **key).publish(TEXT)

    assert primary.read(TEXT.name, "TXT") == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_clocks_that_differ_are_said(
    primary: UpdatedPrimary, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    skewed = SimpleNamespace(time=lambda: time.time() + hours * 3600)
    monkeypatch.setattr("dns.message.time", skewed)

    with pytest.raises(DnsRefused, match="the clocks of the two machines differ"):
        updater_at(primary).publish(TEXT)

    assert primary.read(TEXT.name, "TXT") == []


def test_a_secondary_says_that_the_primary_is_meant(dns_server: DnsServer) -> None:
    settings = {"server": f"{dns_server.secondary}:{dns_server.port}", "zones": [ZONE]}
    key = {"name": dns_server.tsig_name, "secret": dns_server.tsig_secret}

    with pytest.raises(DnsRefused, match=r"NOTAUTH|does not let it change this zone"):
        open_provider("rfc2136", settings, key).publish(TEXT)


def test_a_zone_signed_by_its_server_takes_the_record_and_shows_it(
    dns_server: DnsServer, how: Resolution
) -> None:
    signed = Proof(Method.CNAME, "_d41d8.signed.test", ALIAS.value)

    updater(dns_server, "signed.test").publish(signed)

    dns_server.propagate(signed.name)
    assert look(signed, how).seen
    assert dns_server.resolve(signed.name, "CNAME") == [
        f"{ALIAS.value}."
    ]  # its signatures are checked


def test_a_part_of_a_zone_is_written_in_the_zone(primary: UpdatedPrimary) -> None:
    deep = Proof(Method.TXT, f"_acme.www.{ZONE}", "deep")

    updater_at(primary, f"www.{ZONE}").publish(deep)

    assert primary.read(deep.name, "TXT") == ["deep"]


def test_a_server_without_the_zone_is_said(primary: UpdatedPrimary) -> None:
    with pytest.raises(DnsRefused, match=r"knows no zone that _x\.other\.invalid lies in"):
        updater_at(primary).publish(Proof(Method.TXT, "_x.other.invalid", "lost"))


def test_a_zone_of_the_provider_that_the_server_does_not_serve_is_said(
    primary: UpdatedPrimary,
) -> None:
    with pytest.raises(DnsRefused, match=r"NOTAUTH|does not let it change this zone|does it serve"):
        updater_at(primary, "other.invalid").publish(Proof(Method.TXT, "_x.other.invalid", "lost"))


def test_a_server_that_is_away_is_asked_later() -> None:
    provider = open_provider("rfc2136", {"server": f"127.0.0.1:{free_port()}"})

    with pytest.raises(DnsTryLater, match="cannot be reached"):
        provider.publish(TEXT)


def test_a_server_that_is_silent_is_asked_later(
    dns_server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.dns.rfc2136.ONE", 0.5)
    with dns_server.down(PRIMARY), pytest.raises(DnsTryLater, match="did not answer in time"):
        updater(dns_server).publish(TEXT)


def test_a_server_that_is_no_name_server_is_asked_later() -> None:
    with _closing_server() as port, pytest.raises(DnsTryLater, match="cannot be re"):
        open_provider("rfc2136", {"server": f"127.0.0.1:{port}"}).publish(TEXT)


@contextmanager
def _closing_server() -> Iterator[int]:
    """Yield the port of a server that closes each connection."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    door.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1]


def test_a_file_is_none_of_its_business(dns_server: DnsServer) -> None:
    file = Proof(Method.HTTP, f"http://{ZONE}/.well-known/pki-validation/a.txt", "a")

    with pytest.raises(DnsRefused, match="is a file on a web server"):
        updater(dns_server).publish(file)


def test_the_provider_shows_no_key(dns_server: DnsServer) -> None:
    assert dns_server.tsig_secret not in repr(updater(dns_server))
