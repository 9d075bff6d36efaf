"""Tests of the name servers that tests use: they behave as those of the Internet, in ways that a test chooses."""

import dns.exception
import dns.flags
import pytest

from tests.servers.dns import DnsServer, RefusedUpdateError
from tests.servers.name_zones import NEGATIVE_TTL, PRIMARY, SECONDARY
from tests.servers.process import until


def test_a_record_that_was_added_is_found_everywhere_until_it_is_removed(
    dns_server: DnsServer,
) -> None:
    name = "_proof.example.test"
    dns_server.add(name, "TXT", "4ab 9cd", "other")

    for at in (PRIMARY, SECONDARY):
        assert dns_server.read(name, "TXT", at) == ["4ab 9cd", "other"]
    assert dns_server.resolve(name, "TXT") == ["4ab 9cd", "other"]

    dns_server.remove(name, "TXT", "other")
    assert dns_server.read(name, "TXT") == ["4ab 9cd"]
    dns_server.remove(name)
    assert dns_server.code(name, "TXT", SECONDARY) == "NXDOMAIN"


def test_a_test_starts_with_empty_zones(dns_server: DnsServer) -> None:
    dns_server.add("left.example.test", "TXT", "from another test")
    dns_server.add("left.late.test", "TXT", "from another test")
    dns_server.add("left.signed.test", "TXT", "from another test")
    assert dns_server.resolve("left.example.test", "TXT")

    dns_server.clear()

    for name in ("left.example.test", "left.late.test", "left.signed.test"):
        assert dns_server.code(name, "TXT", SECONDARY) == "NXDOMAIN"
        assert dns_server.code(name, "TXT") == "NXDOMAIN"
    assert dns_server.code("signed.test", "SOA") == "NOERROR"


def test_only_the_zone_s_own_key_may_update_it(dns_server: DnsServer) -> None:
    with pytest.raises(RefusedUpdateError, match="NOTAUTH"):
        dns_server.add("_proof.alias.test", "TXT", "mine", key=dns_server.tsig_name)

    dns_server.add("_proof.alias.test", "TXT", "mine")
    assert dns_server.read("_proof.alias.test", "TXT") == ["mine"]


def test_a_delegated_zone_is_found_from_the_root(dns_server: DnsServer) -> None:
    dns_server.add("_proof.dept.example.test", "CNAME", "4ab.sectigo.com.")

    referral = dns_server.ask("_proof.dept.example.test", "CNAME", PRIMARY)
    assert [group.name.to_text() for group in referral.authority] == ["dept.example.test."]
    assert not referral.answer
    assert dns_server.resolve("_proof.dept.example.test", "CNAME") == ["4ab.sectigo.com."]


def test_an_alias_is_followed_into_another_zone_and_a_loop_is_not(dns_server: DnsServer) -> None:
    dns_server.add("_proof.example.test", "CNAME", "there.alias.test.")
    dns_server.add("there.alias.test", "TXT", "4ab")
    dns_server.add("one.example.test", "CNAME", "two.alias.test.")
    dns_server.add("two.alias.test", "CNAME", "one.example.test.")

    assert dns_server.resolve("_proof.example.test", "TXT") == ["4ab"]
    assert dns_server.resolve("one.example.test", "TXT") == []


def test_a_late_secondary_follows_when_it_is_told(dns_server: DnsServer) -> None:
    dns_server.add("_proof.late.test", "TXT", "4ab")

    assert dns_server.read("_proof.late.test", "TXT", PRIMARY) == ["4ab"]
    assert dns_server.code("_proof.late.test", "TXT", SECONDARY) == "NXDOMAIN"
    dns_server.propagate("late.test")
    assert dns_server.read("_proof.late.test", "TXT", SECONDARY) == ["4ab"]


def test_a_lame_server_does_not_serve_what_it_was_named_for(dns_server: DnsServer) -> None:
    dns_server.add("_proof.half.test", "TXT", "4ab")
    dns_server.add("_proof.lame.test", "TXT", "4ab")
    dns_server.add("_proof.dead.test", "TXT", "4ab")

    assert dns_server.code("_proof.half.test", "TXT", SECONDARY) == "REFUSED"
    assert dns_server.resolve("_proof.half.test", "TXT") == ["4ab"]
    assert dns_server.code("_proof.lame.test", "TXT") == "SERVFAIL"
    assert dns_server.code("_proof.dead.test", "TXT") == "SERVFAIL"


def test_a_name_that_did_not_exist_stays_unknown_to_the_resolver_for_a_while(
    dns_server: DnsServer,
) -> None:
    for name in ("_proof.example.test", "_proof.patient.test"):
        assert dns_server.code(name, "TXT") == "NXDOMAIN"
        dns_server.add(name, "TXT", "4ab")

    assert dns_server.code("_proof.patient.test", "TXT") == "NXDOMAIN"
    until(lambda: dns_server.resolve("_proof.example.test", "TXT"), NEGATIVE_TTL + 8)
    assert dns_server.code("_proof.patient.test", "TXT") == "NXDOMAIN"
    dns_server.forget()
    assert dns_server.resolve("_proof.patient.test", "TXT") == ["4ab"]


def test_a_signed_zone_is_proven_and_a_forged_one_is_not_believed(dns_server: DnsServer) -> None:
    dns_server.add("_proof.signed.test", "TXT", "4ab")
    dns_server.add("_proof.forged.test", "TXT", "4ab")

    answer = dns_server.ask("_proof.signed.test", "TXT", dns_server.resolver)
    assert answer.flags & dns.flags.AD
    assert dns_server.code("_proof.forged.test", "TXT") == "SERVFAIL"
    assert dns_server.read("_proof.forged.test", "TXT") == ["4ab"]


def test_a_server_that_is_down_answers_nobody(dns_server: DnsServer) -> None:
    dns_server.add("_proof.example.test", "TXT", "4ab")

    with dns_server.down(PRIMARY):
        assert dns_server.read("_proof.example.test", "TXT", SECONDARY) == ["4ab"]
        assert dns_server.resolve("_proof.example.test", "TXT") == ["4ab"]
        with pytest.raises(dns.exception.Timeout):
            dns_server.ask("_proof.example.test", "TXT", PRIMARY, timeout=0.5)
    assert dns_server.read("_proof.example.test", "TXT", PRIMARY) == ["4ab"]


def test_a_record_beside_an_alias_is_refused_without_harm(dns_server: DnsServer) -> None:
    dns_server.add("_proof.example.test", "CNAME", "there.alias.test.")

    dns_server.add("_proof.example.test", "TXT", "4ab")  # RFC 2136: left out in silence

    assert dns_server.read("_proof.example.test", "TXT") == []
