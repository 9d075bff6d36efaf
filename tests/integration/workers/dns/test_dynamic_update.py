"""Tests of dynamic update with TSIG against a real name server."""

from pathlib import Path

import pytest

from certline.workers.dns import (
    DnsRefused,
    DnsTryLater,
    Method,
    Proof,
    Provider,
    Resolution,
    look,
    open_provider,
)
from tests.integration.workers.dns.conftest import ZONE
from tests.integration.workers.dns.name_servers import Knot, TsigSecret, free_port, zone_text

TEXT = Proof(Method.TXT, f"_certline.{ZONE}", "a proof, with 'quotes' and \"double\" ones; 100 %")
ALIAS = Proof(Method.CNAME, f"_d41d8.{ZONE}", "5c0.comodoca.example")


def provider_of(knot: Knot, key: TsigSecret | None = None) -> Provider:
    settings = {"server": knot.place, "zones": [ZONE]}
    return open_provider("rfc2136", settings, (key or knot.key).fields)


@pytest.mark.parametrize("proof", [TEXT, ALIAS])
def test_a_record_is_published_once_and_withdrawn(
    knot: Knot, how: Resolution, proof: Proof
) -> None:
    provider = provider_of(knot)

    provider.publish(proof)
    provider.publish(proof)

    assert len(knot.records(proof.name, proof.method.upper())) == 1
    assert look(proof, how).seen
    provider.withdraw(proof)
    provider.withdraw(proof)
    assert knot.records(proof.name, proof.method.upper()) == []
    assert not look(proof, how).seen


def test_a_long_text_is_split_into_strings_and_seen_as_one(knot: Knot, how: Resolution) -> None:
    long = Proof(Method.TXT, TEXT.name, "0123456789" * 60)

    provider_of(knot).publish(long)

    assert knot.records(long.name, "TXT")[0].count('" "') == 2
    assert look(long, how).seen


def test_texts_of_others_stay(knot: Knot) -> None:
    beside = Proof(Method.TXT, f"text.{ZONE}", "ours")
    provider = provider_of(knot)

    provider.publish(beside)

    assert sorted(knot.records(beside.name, "TXT")) == ['"ours"', '"v=spf1 -all"']
    provider.withdraw(beside)
    assert knot.records(beside.name, "TXT") == ['"v=spf1 -all"']


@pytest.mark.parametrize(
    ("proof", "there"),
    [
        (Proof(Method.CNAME, f"taken.{ZONE}", "ours.example"), "CNAME 'elsewhere.example'"),
        (Proof(Method.TXT, f"taken.{ZONE}", "ours"), "CNAME 'elsewhere.example'"),
        (Proof(Method.CNAME, f"text.{ZONE}", "ours.example"), "TXT 'v=spf1 -all'"),
        (Proof(Method.CNAME, f"www.{ZONE}", "ours.example"), "a record 'of another type'"),
    ],
)
def test_what_is_there_already_is_named_and_not_overwritten(
    knot: Knot, proof: Proof, there: str
) -> None:
    with pytest.raises(DnsRefused, match=r"already at .* does not overwrite") as refused:
        provider_of(knot).publish(proof)

    assert there in str(refused.value)
    assert knot.records(f"taken.{ZONE}", "CNAME") == ["elsewhere.example."]


def test_an_alias_of_others_is_not_withdrawn(knot: Knot) -> None:
    provider_of(knot).withdraw(Proof(Method.CNAME, f"taken.{ZONE}", "ours.example"))

    assert knot.records(f"taken.{ZONE}", "CNAME") == ["elsewhere.example."]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (TsigSecret(), "the secret is not that of the TSIG key"),
        (TsigSecret(name="nobody."), "does not know this TSIG key"),
    ],
)
def test_a_wrong_key_is_said(knot: Knot, key: TsigSecret, why: str) -> None:
    with pytest.raises(DnsRefused, match=why) as refused:
        provider_of(knot, key).publish(TEXT)

    assert key.secret not in str(refused.value)
    assert knot.records(TEXT.name, "TXT") == []


def test_a_zone_that_the_key_may_not_change_is_said(tmp_path: Path, port: int) -> None:
    zones = {ZONE: zone_text(ZONE)}
    with (
        Knot(tmp_path, zones, port=port, read_only=True) as knot,
        pytest.raises(DnsRefused, match="does not let it change this zone"),
    ):
        provider_of(knot).publish(TEXT)


def test_a_zone_signed_by_its_server_takes_the_record_and_shows_it(
    tmp_path: Path, port: int
) -> None:
    with Knot(tmp_path, {ZONE: zone_text(ZONE)}, port=port, signed=True) as knot:
        provider = provider_of(knot)
        provider.publish(ALIAS)

        assert look(ALIAS, Resolution(resolvers=(knot.place,), port=port)).seen
        assert len(knot.records(ZONE, "DNSKEY")) > 0


def test_a_part_of_a_zone_is_written_in_the_zone(knot: Knot) -> None:
    deep = Proof(Method.TXT, f"_acme.www.{ZONE}", "deep")
    settings = {"server": knot.place, "zones": [f"www.{ZONE}"]}

    open_provider("rfc2136", settings, knot.key.fields).publish(deep)

    assert knot.records(deep.name, "TXT") == ['"deep"']


def test_a_server_without_the_zone_is_said(knot: Knot) -> None:
    with pytest.raises(DnsRefused, match=r"knows no zone that _x\.other\.example lies in"):
        provider_of(knot).publish(Proof(Method.TXT, "_x.other.example", "lost"))


def test_a_server_that_is_away_is_asked_later() -> None:
    provider = open_provider("rfc2136", {"server": f"127.0.0.1:{free_port()}"})

    with pytest.raises(DnsTryLater, match="cannot be reached"):
        provider.publish(TEXT)


def test_a_server_that_is_silent_is_asked_later(
    knot: Knot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.dns.rfc2136.ONE", 0.5)
    knot.freeze()

    with pytest.raises(DnsTryLater, match="did not answer in time"):
        provider_of(knot).publish(TEXT)
    knot.thaw()


def test_a_file_is_none_of_its_business(knot: Knot) -> None:
    file = Proof(Method.HTTP, f"http://{ZONE}/.well-known/pki-validation/a.txt", "a")

    with pytest.raises(DnsRefused, match="is a file on a web server"):
        provider_of(knot).publish(file)


def test_the_provider_shows_no_key(knot: Knot) -> None:
    assert knot.key.secret not in repr(provider_of(knot))
