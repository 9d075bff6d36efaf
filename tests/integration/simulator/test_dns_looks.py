"""Tests of the CA's look for records: only what is really in the DNS validates a domain."""

import pytest

from tests.integration.simulator.validating import V1, Validating
from tests.servers.dns import DnsServer
from tests.servers.name_zones import NEGATIVE_TTL, SECONDARY
from tests.servers.process import until
from tests.unit.simulator.customer import csr, order, refused

WAITS = ("NOT_VALIDATED", "SUBMITTED")


def test_a_record_that_is_there_validates_the_domain(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    at_resolver.add(proof["host"], "CNAME", proof["point"])

    scm.submit("example.test", "cname")

    scm.until_validated("example.test")
    assert [look["why"] for look in scm.looks()] == [None]
    assert scm.enroll(csr=csr("www.example.test"))


def test_without_the_record_nothing_is_validated_and_orders_are_refused(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    scm.submit("example.test", "cname")

    assert "does not exist (NXDOMAIN)" in str(scm.after_looks(1))
    assert scm.state("example.test") == WAITS
    assert refused(scm.post("/ssl/v1/enroll", order(csr=csr("www.example.test"))), -107)

    at_resolver.add(proof["host"], "CNAME", proof["point"])
    scm.until_validated("example.test")


def test_a_text_must_be_the_one_that_the_submission_named(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("example.test")
    proof = scm.submit("example.test", "txt")
    host, point = proof["host"], proof["point"]
    at_resolver.add(host, "TXT", "v=spf1 -all", point[:-1])
    at_resolver.forget()
    until(lambda: any(point[:-1] in str(look["why"]) for look in scm.looks()), 15)
    assert scm.state("example.test") == WAITS

    # A long text is several strings of one record.
    at_resolver.add(host, "TXT", f'"{point[:10]}" "{point[10:]}"')

    scm.until_validated("example.test")


def test_a_wrong_target_is_named_with_the_one_expected(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    at_resolver.add(proof["host"], "CNAME", "wrong.sectigo.com.")
    scm.set(dcv_follows_cnames=False)

    scm.submit("example.test", "cname")

    why = str(scm.after_looks(1))
    assert "has wrong.sectigo.com." in why
    assert proof["point"] in why


def test_a_proof_may_be_delegated_to_another_zone(scm: Validating, at_resolver: DnsServer) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    at_resolver.add(proof["host"], "CNAME", "example.alias.test.")
    at_resolver.add("example.alias.test", "CNAME", proof["point"])

    scm.submit("example.test", "cname")

    scm.until_validated("example.test")


def test_a_text_is_found_behind_an_alias_even_without_a_resolver(
    scm: Validating, at_primary: DnsServer
) -> None:
    scm.create("example.test")
    scm.set(dcv_after_ms=3_600_000)
    proof = scm.submit("example.test", "txt")
    at_primary.add(proof["host"], "CNAME", "example.alias.test.")
    at_primary.add("example.alias.test", "TXT", proof["point"])
    scm.set(dcv_sync_looks=True)

    answer = scm.post(f"{V1}/sync?force=true", {"domain": "example.test"}).json()

    assert answer["status"] == "VALIDATED"


def test_a_loop_of_aliases_ends(scm: Validating, at_resolver: DnsServer) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    at_resolver.add(proof["host"], "CNAME", "example.alias.test.")
    at_resolver.add("example.alias.test", "CNAME", proof["host"])

    scm.submit("example.test", "cname")

    assert "loop" in str(scm.after_looks(1))
    assert scm.state("example.test") == WAITS


def test_a_late_secondary_hides_the_record_from_whoever_asks_it(
    scm: Validating, dns_server: DnsServer
) -> None:
    scm.create("late.test")
    scm.set(dcv_resolver=f"{SECONDARY}:{dns_server.port}", dcv_remembers_absence=False)
    proof = scm.begin("late.test", "cname")
    dns_server.add(proof["host"], "CNAME", proof["point"])
    scm.submit("late.test", "cname")

    assert "NXDOMAIN" in str(scm.after_looks(2))
    dns_server.propagate("late.test")

    scm.until_validated("late.test")


def test_a_lame_server_s_domain_is_not_validated(scm: Validating, at_resolver: DnsServer) -> None:
    scm.create("lame.test")
    proof = scm.begin("lame.test", "cname")
    at_resolver.add(proof["host"], "CNAME", proof["point"])

    scm.submit("lame.test", "cname")

    assert "SERVFAIL" in str(scm.after_looks(1))
    assert scm.state("lame.test") == WAITS


@pytest.mark.parametrize(("zone", "is_seen"), [("signed.test", True), ("forged.test", False)])
def test_a_signed_zone_is_believed_if_its_key_is_the_trusted_one(
    scm: Validating, at_resolver: DnsServer, zone: str, *, is_seen: bool
) -> None:
    scm.create(zone)
    proof = scm.begin(zone, "cname")
    at_resolver.add(proof["host"], "CNAME", proof["point"])

    scm.submit(zone, "cname")

    if is_seen:
        scm.until_validated(zone)
    else:
        assert "SERVFAIL" in str(scm.after_looks(1))


def test_a_delegated_zone_has_the_proof_of_its_own_domain(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("dept.example.test")
    proof = scm.begin("dept.example.test", "cname")
    at_resolver.add(proof["host"], "CNAME", proof["point"])

    scm.submit("dept.example.test", "cname")

    scm.until_validated("dept.example.test")


def test_what_was_absent_is_remembered_as_long_as_its_zone_says(
    scm: Validating, at_primary: DnsServer
) -> None:
    for number, name in enumerate(("patient.test", "example.test"), 1):
        scm.create(name)
        proof = scm.begin(name, "cname")
        scm.set(dcv_again_ms=3_600_000)
        scm.submit(name, "cname")
        assert "NXDOMAIN" in str(scm.after_looks(number))
        at_primary.add(proof["host"], "CNAME", proof["point"])

    scm.set(dcv_sync_looks=True)

    def looked_at_again(name: str) -> str:
        return str(scm.post(f"{V1}/sync?force=true", {"domain": name}).json()["status"])

    until(lambda: looked_at_again("example.test") == "VALIDATED", NEGATIVE_TTL + 10)
    assert looked_at_again("patient.test") == "NOT_VALIDATED"
    assert "remembers" in scm.looks()[-1]["why"]


def test_the_ca_gives_up_after_as_many_looks_as_it_is_told(
    scm: Validating, at_primary: DnsServer
) -> None:
    scm.create("example.test")
    scm.set(dcv_rejects_after=3, dcv_remembers_absence=False)
    proof = scm.begin("example.test", "cname")
    scm.submit("example.test", "cname")

    until(lambda: scm.state("example.test") == ("NOT_VALIDATED", "REJECTED"), 15)

    assert len(scm.looks()) == 3
    assert refused(scm.post(f"{V1}/submit/domain/cname", {"domain": "example.test"}), -724)

    at_primary.add(proof["host"], "CNAME", proof["point"])
    scm.begin("example.test", "cname")
    scm.submit("example.test", "cname")
    scm.until_validated("example.test")


def test_a_validation_that_was_cleared_is_not_looked_for_any_more(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("example.test")
    proof = scm.begin("example.test", "cname")
    scm.submit("example.test", "cname")
    scm.after_looks(1)
    scm.post(f"{V1}/clear", {"domain": "example.test"})
    at_resolver.add(proof["host"], "CNAME", proof["point"])
    at_resolver.forget()

    # Another domain's look comes later than any that was left of the first one.
    scm.create("half.test")
    other = scm.begin("half.test", "cname")
    at_resolver.add(other["host"], "CNAME", other["point"])
    scm.submit("half.test", "cname")
    scm.until_validated("half.test")

    assert scm.state("example.test") == ("NOT_VALIDATED", "NOT_INITIATED")


def test_a_name_beyond_ascii_is_looked_for_in_its_dns_form(
    scm: Validating, at_resolver: DnsServer
) -> None:
    scm.create("münchen.test")
    proof = scm.begin("münchen.test", "cname")
    assert proof["host"].endswith(".xn--mnchen-3ya.test.")
    at_resolver.add(proof["host"], "CNAME", proof["point"])

    scm.submit("münchen.test", "cname")

    scm.until_validated("münchen.test")


def test_a_resolver_that_does_not_answer_is_not_the_proof(scm: Validating) -> None:
    scm.set(dcv_resolver="127.0.0.1:1")
    scm.begin("unproven.example", "cname")
    scm.submit("unproven.example", "cname")

    assert "no response from the resolver" in str(scm.after_looks(1))
    assert scm.state("unproven.example") == WAITS
