"""Tests of the look: at all name servers of a zone, along aliases, with servers that are lame or behind."""

import dns.resolver
import pytest

from certline.workers.dns import (
    DnsRefused,
    DnsTryLater,
    Method,
    Proof,
    ProofSight,
    Resolution,
    destination,
    look,
)
from tests.servers.dns import DnsServer
from tests.servers.name_zones import LONG_NEGATIVE_TTL, NEGATIVE_TTL, PRIMARY, SECONDARY

TARGET = "5c0.comodoca.test"


def text(name: str, value: str = "ours") -> Proof:
    return Proof(Method.TXT, name, value)


def alias(name: str, target: str = TARGET) -> Proof:
    return Proof(Method.CNAME, name, target)


def test_a_record_is_seen_once_every_server_shows_it(
    dns_server: DnsServer, how: Resolution
) -> None:
    proof = text("_proof.late.test")
    dns_server.add(proof.name, "TXT", "ours")

    before = look(proof, how)

    assert not before.seen
    assert (
        "expected TXT 'ours' at _proof.late.test; found it is there at ns1.late.test" in before.said
    )
    assert "no such name" in before.said
    assert "at ns2.late.test" in before.said
    dns_server.propagate(proof.name)
    after = look(proof, how)
    assert after.seen
    assert after.servers == ("ns1.late.test", "ns2.late.test")


@pytest.mark.parametrize(
    ("zone", "ttl"), [("example", NEGATIVE_TTL), ("patient", LONG_NEGATIVE_TTL)]
)
def test_a_name_that_is_not_there_may_be_remembered_as_its_zone_says(
    dns_server: DnsServer, how: Resolution, zone: str, ttl: int
) -> None:
    proof = text(f"_proof.{zone}.test")

    sight = look(proof, how)

    assert (sight.seen, sight.ttl) == (False, min(ttl, 60))
    assert "no such name (resolvers may remember that for" in sight.said
    dns_server.add(proof.name, "TXT", "ours")
    # At the name servers, not at a resolver, which would go on saying no.
    assert look(proof, how).seen


def test_a_wrong_record_is_said(dns_server: DnsServer, how: Resolution) -> None:
    dns_server.add("_proof.example.test", "TXT", "theirs", "old", ttl=300)

    sight = look(text("_proof.example.test"), how)

    assert not sight.seen
    assert "found TXT 'old', 'theirs' at ns1.example.test, ns2.example.test" in sight.said or (
        "found TXT 'theirs', 'old'" in sight.said
    )
    assert sight.ttl == 300


def test_a_name_with_other_records_has_no_text(dns_server: DnsServer, how: Resolution) -> None:
    dns_server.add("_proof.example.test", "A", "192.0.2.7")

    assert "found no TXT record" in look(text("_proof.example.test"), how).said


def test_a_lame_server_is_named_and_left_aside(dns_server: DnsServer, how: Resolution) -> None:
    proof = text("_proof.half.test")
    dns_server.add(proof.name, "TXT", "ours")

    sight = look(proof, how)

    assert sight.seen
    assert "seen at ns1.half.test (left aside: ns2.half.test: it answers REFUSED" in sight.said


@pytest.mark.parametrize("zone", ["lame.test", "dead.test"])
def test_a_zone_without_a_server_that_answers_is_not_seen(
    dns_server: DnsServer, how: Resolution, zone: str
) -> None:
    dns_server.add(f"_proof.{zone}", "TXT", "ours")

    sight = look(text(f"_proof.{zone}"), how)

    assert not sight.seen
    # Which of them, depends on what the resolver remembers of the zone above.
    said = (
        f"name servers {zone} has (SERVFAIL: its servers are out",
        f"it does not serve the zone at ns1.{zone}",
        f"it does not answer at ns1.{zone}",
        "its name has no address",
    )
    assert any(each in sight.said for each in said), sight.said


def test_a_server_that_does_not_serve_the_zone_is_said(dns_server: DnsServer) -> None:
    at = Resolution(nameservers=(f"{SECONDARY}:{dns_server.port}",))

    sight = look(text("_proof.lame.test"), at)

    assert "it answers REFUSED: it does not serve the zone at 127.53.0.2" in sight.said


def test_a_look_leaves_nothing_behind_at_the_resolver(
    dns_server: DnsServer, how: Resolution
) -> None:
    name, there = "_proof.patient.test", "there.patient.test"
    dns_server.add("_proof.example.test", "CNAME", f"{there}.")
    for each in (name, "_proof.example.test"):
        assert not look(text(each), how).seen

    for each in (name, there):
        dns_server.add(each, "TXT", "ours")

    # It would go on saying for an hour that there is no such name.
    assert dns_server.resolve(name, "TXT") == ["ours"]
    assert dns_server.resolve(there, "TXT") == ["ours"]


def test_a_zone_below_the_domain_is_asked_at_its_own_servers(
    dns_server: DnsServer, how: Resolution
) -> None:
    for name in ("_proof.dept.example.test", "dept.example.test"):
        dns_server.add(name, "TXT", "ours")

        sight = look(text(name), how)

        assert sight.seen
        assert sight.servers == ("ns1.dept.example.test",)


def test_one_silent_server_of_two_is_left_aside(
    dns_server: DnsServer, how: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.dns.lookup.authority.ONE", 0.5)
    proof = text("_proof.example.test")
    dns_server.add(proof.name, "TXT", "ours")
    assert look(proof, how).seen  # so the resolver knows the zone's servers

    with dns_server.down(SECONDARY):
        sight = look(proof, how)

    assert sight.seen
    assert "left aside: ns2.example.test: it does not answer" in sight.said


def test_nothing_is_seen_while_all_servers_are_silent(
    dns_server: DnsServer, how: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.dns.lookup.authority.ONE", 0.3)
    proof = text("_proof.dept.example.test")
    dns_server.add(proof.name, "TXT", "ours")
    assert look(proof, how).seen

    with dns_server.down(SECONDARY):
        sight = look(proof, how)

    assert not sight.seen
    assert "it does not answer at ns1.dept.example.test" in sight.said


def test_a_server_that_answers_for_others_is_no_authority(dns_server: DnsServer) -> None:
    dns_server.add("_proof.example.test", "TXT", "ours")
    how = Resolution(nameservers=(f"{dns_server.resolver}:{dns_server.port}",))

    sight = look(text("_proof.example.test"), how)

    assert not sight.seen
    assert "answers" in sight.said


def test_named_servers_are_asked_in_place_of_the_zones_own(dns_server: DnsServer) -> None:
    proof = text("_proof.late.test")
    dns_server.add(proof.name, "TXT", "ours")

    primary = look(proof, Resolution(nameservers=(f"{PRIMARY}:{dns_server.port}",)))
    both = look(
        proof,
        Resolution(nameservers=tuple(f"{at}:{dns_server.port}" for at in (PRIMARY, SECONDARY))),
    )

    assert (primary.seen, both.seen) == (True, False)


def test_an_alias_for_the_target_is_seen_whatever_its_case(
    dns_server: DnsServer, how: Resolution
) -> None:
    dns_server.add("_Proof.example.test", "CNAME", "5C0.comodoca.TEST.")

    assert look(alias("_proof.Example.test."), how).seen
    other = look(alias("_proof.example.test", "other.test"), how)
    assert not other.seen
    assert "an alias for 5c0.comodoca.test, and there" in other.said


@pytest.mark.parametrize("proof", [alias("_proof.example.test"), text("_proof.example.test")])
def test_a_proof_that_an_alias_delegates_to_another_zone_is_seen_there(
    dns_server: DnsServer, how: Resolution, proof: Proof
) -> None:
    dns_server.add("_proof.example.test", "CNAME", "there.alias.test.")
    before = look(proof, how)
    assert not before.seen
    assert "an alias for there.alias.test, and there no such name" in before.said

    value = f"{TARGET}." if proof.method is Method.CNAME else "ours"
    dns_server.add("there.alias.test", proof.method.upper(), value)

    assert look(proof, how).seen


def test_aliases_that_go_in_a_circle_are_said(dns_server: DnsServer, how: Resolution) -> None:
    dns_server.add("_proof.example.test", "CNAME", "there.alias.test.")
    dns_server.add("there.alias.test", "CNAME", "_proof.example.test.")

    sight = look(text("_proof.example.test"), how)

    assert not sight.seen
    circle = "_proof.example.test → there.alias.test → _proof.example.test"
    assert f"the aliases go in a circle: {circle}" in sight.said
    with pytest.raises(DnsRefused, match="in a circle"):
        destination("_proof.example.test", how)


def test_aliases_without_end_are_given_up(dns_server: DnsServer, how: Resolution) -> None:
    for number in range(12):
        at, to = ("example", "alias") if number % 2 else ("alias", "example")
        dns_server.add(f"a{number}.{at}.test", "CNAME", f"a{number + 1}.{to}.test.")

    sight: ProofSight = look(text("a0.alias.test"), how)

    assert "more than 8 aliases" in sight.said
    with pytest.raises(DnsRefused, match="more than 8 aliases"):
        destination("a0.alias.test", how)


def test_a_zone_whose_signatures_are_forged_is_said(dns_server: DnsServer, how: Resolution) -> None:
    dns_server.add("_proof.forged.test", "TXT", "ours")

    sight = look(text("_proof.forged.test"), how)

    assert not sight.seen
    assert "SERVFAIL" in sight.said
    assert "DNSSEC" in sight.said


def test_a_name_in_no_zone_is_said(how: Resolution) -> None:
    sight = look(text("_proof.nosuch.invalid"), how)

    assert not sight.seen
    assert "no such name" in sight.said


def test_a_zone_that_the_resolver_does_not_know_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def knows_nothing(*_: object, **__: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", knows_nothing)
    how = Resolution(resolvers=("127.0.0.1:5353",), within=2)

    said = look(text("_proof.example.test"), how).said

    assert "there is no zone that example.test lies in, says the resolver (127.0.0.1)" in said
    assert "name its server with --nameserver" in said


def test_a_resolver_that_is_away_is_said() -> None:
    how = Resolution(resolvers=("127.0.0.1:1",), within=2)

    assert "no resolver answers" in look(text("_proof.example.test"), how).said
    with pytest.raises(DnsTryLater, match="no resolver answers"):
        destination("_proof.example.test", how)


def test_a_record_is_written_where_its_aliases_end(dns_server: DnsServer, how: Resolution) -> None:
    name = "_proof.example.test"
    assert destination(name, how) == name

    dns_server.add(name, "CNAME", "there.alias.test.")
    assert destination(name, how) == "there.alias.test"
    assert destination(name, how, zones=["example.test", "alias.test"]) == "there.alias.test"
    # An alias for somebody else's zone is in the way, which is said when the record is written.
    assert destination(name, how, zones=["example.test"]) == name

    dns_server.add("there.alias.test", "CNAME", f"{TARGET}.")
    assert destination(name, how, value=TARGET) == "there.alias.test"
    assert destination(name, how, value=TARGET, zones=["alias.test"]) == "there.alias.test"
