"""CLI tests of what is said about renewals: inherited values, limits, hindrances, several certificates."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from certline.models import (
    Account,
    AuditEntry,
    AutoRenewDecision,
    Certificate,
    CertificateStatus,
    Command,
    Domain,
    Order,
    OrderStatus,
    Profile,
)
from certline.models.certificates.backoff import renewal_failed
from certline.models.database.session import clock
from tests.integration.cli.conftest import Typist
from tests.integration.producers.estate import DAY
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

WWW = "www.nordhafen.example"
UMLAUT = "b\u00fccher.nordhafen.example"


@pytest.fixture
def estate(typist: Typist) -> Typist:
    """Yield a user with an account whose organisation, profile and domain are synced."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(an_organization(account_id=account.id))
        db.add(a_domain(account_id=account.id, validation_expires=None))
        db.add(a_profile(account_id=account.id))
    return typist


def one(typist: Typist, name: str = WWW, **named: Any) -> str:
    """Insert a certificate without its key, valid for 200 days from ten days ago. Returns its id."""
    with typist.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        order = an_order(db, account, status=OrderStatus.STORED, common_name=name)
        usual = {"not_before": clock(db, -10 * DAY), "not_after": clock(db, 190 * DAY)}
        certificate = a_certificate(db, order, **usual | named)
        order.certificate_id, order.line_id = certificate.id, certificate.line_id
        return certificate.id


INHERITED = [
    ("EC", "P-521", "EC P-256"),
    ("RSA", "8192", "RSA 4096"),
    ("RSA", "2056", "RSA 2048"),
    ("RSA", "1024", "RSA 2048"),
]


@pytest.mark.parametrize(("algorithm", "size", "key"), INHERITED)
def test_an_inherited_key_that_is_not_allowed_gives_the_nearest(
    estate: Typist, algorithm: str, size: str, key: str
) -> None:
    own = one(estate, key_algorithm=algorithm, key_size=size)

    document = estate.json("certificate", "renew", own, "--dry-run")

    assert (document["ok"], document["key"]) == (True, key)
    said = f"{WWW}: the new key is {key} in place of {algorithm} {size}"
    assert any(warning.startswith(said) for warning in document["warnings"])
    assert "--key-size" not in estate.out + estate.err
    estate.types("certificate", "renew", own)
    with estate.database.transaction() as db:
        order = db.scalars(select(Order).where(Order.predecessor_id == own)).one()
        assert f"{order.key_algorithm} {order.key_size}" == key
        placed = db.scalars(select(AuditEntry).where(AuditEntry.type == "order.placed")).one()
        assert said in (placed.why or "")


def test_a_renewal_can_name_the_kind_of_the_new_key(estate: Typist) -> None:
    own = one(estate)

    document = estate.json("certificate", "renew", own, "--key-algorithm", "EC", "--dry-run")
    told = estate.types("certificate", "renew", own, "--key-size", "3072", code=2)

    assert document["key"] == "EC P-256"
    assert "--key-size: 'OV Single' does not allow RSA 3072" in told
    batch = (
        "certificate",
        "renew",
        "--name",
        "www*",
        "--pace",
        "10/h",
        "--key-size",
        "P-256",
        "--yes",
    )
    estate.types(*batch)
    with estate.database.transaction() as db:
        renewal = db.scalars(select(Command)).one()
        assert renewal.payload == {"certificate": own, "key_size": "P-256"}
    estate.types("certificate", "renew", own, "--reuse-key", "--key-size", "2048", code=2)


def test_an_inherited_name_is_ordered_in_its_ascii_form(estate: Typist) -> None:
    own = one(estate, sans=[WWW, UMLAUT])

    document = estate.json("certificate", "renew", own, "--dry-run")

    assert any("'xn--bcher-kva.nordhafen.example'" in text for text in document["warnings"])


def test_an_inherited_name_that_is_no_host_name_is_about_the_certificate(estate: Typist) -> None:
    own = one(estate, sans=[WWW, "intranet"])

    told = estate.types("certificate", "renew", own, code=2)

    assert f"CERT: {own} ({WWW}): its name 'intranet' is not a host name" in told
    assert "certline order create" in told


def test_a_profile_that_is_gone_is_about_the_certificate(estate: Typist) -> None:
    own = one(estate)
    with estate.database.transaction() as db:
        db.execute(update(Profile).values(gone_at=clock(db)))

    told = estate.types("certificate", "renew", own, code=2)

    assert f"CERT: {own} ({WWW}): its profile: '51' is gone at SCM" in told


def test_the_key_in_auto_renewal_is_said_in_plan_and_audit(estate: Typist) -> None:
    with estate.database.transaction() as db:
        begins, ends = clock(db, -190 * DAY), clock(db, 10 * DAY)
    own = one(estate, key_size="8192", not_before=begins, not_after=ends)
    estate.types("auto-renew", "enable", "--days", "30")
    estate.types("auto-renew", "select", own)

    plan = estate.json("auto-renew", "plan")
    estate.types("auto-renew", "run")
    (run,) = estate.json("auto-renew", "audit")

    (planned,) = [each for day in plan["plan"] for each in day["certificates"]]
    assert planned["remark"].startswith("the new key is RSA 4096 in place of RSA 8192")
    (decided,) = run["decisions"]
    assert (decided["decision"], decided["reason"]) == ("renewed", planned["remark"])


STATES = [
    (CertificateStatus.REVOKED, "is revoked", "order a new one"),
    (CertificateStatus.SUPERSEDED, "is superseded", "certline import"),
    (CertificateStatus.EXPIRED, "has expired on", "certline certificate renew"),
]


@pytest.mark.parametrize(("status", "why", "way"), STATES)
def test_only_a_certificate_in_use_is_selected(
    estate: Typist, status: CertificateStatus, why: str, way: str
) -> None:
    own, other = one(estate), one(estate, "mail.nordhafen.example")
    with estate.database.transaction() as db:
        row = db.get_one(Certificate, own)
        row.revoked_at = clock(db) if status is CertificateStatus.REVOKED else None
        row.status = status

    told = estate.types("auto-renew", "select", other, own, code=2)

    assert f"{own} ({WWW}) {why}" in told
    assert way in told
    listed = estate.json("certificate", "list")
    assert not any(each["auto_renew"] for each in listed)


def test_days_beyond_a_third_of_the_lifetime_are_said_to_be_limited(estate: Typist) -> None:
    own = one(estate)

    (document,) = estate.json("auto-renew", "select", own, "--days", "80")

    assert (document["days"], document["days_in_effect"]) == (80, 66)
    assert "66 days before it expires, not 80" in estate.err
    (near,) = estate.json("auto-renew", "select", own, "--days", "20")
    assert (near["days_in_effect"], estate.err) == (20, "")
    (setting,) = estate.json("auto-renew", "enable", "--days", "90")
    assert setting["limited"] == 0  # its own days count
    estate.types("auto-renew", "select", own)
    (setting,) = estate.json("auto-renew", "enable", "--days", "90")
    assert setting["limited"] == 1
    assert "1 certificates of hafen will be renewed later than 90 days" in estate.err


def test_the_plan_names_the_next_date_beyond_its_page(estate: Typist) -> None:
    one(estate)
    estate.types("auto-renew", "enable", "--days", "30")
    estate.types("auto-renew", "select", "--all")

    plan = estate.json("auto-renew", "plan", "--days", "10")

    assert plan["renewals"] == 0
    assert plan["next"]["common_names"] == [WWW]
    said = estate.types("auto-renew", "plan")
    assert f"Next: {plan['next']['date']}, {WWW}" in said
    assert re.search(r"\w{3} \d{4}-\d\d-\d\d +0", said) is None  # no days without renewals
    assert estate.json("auto-renew", "plan", "--days", "300")["next"] is None


def test_a_certificate_says_why_it_was_not_renewed(estate: Typist) -> None:
    with estate.database.transaction() as db:
        begins, ends = clock(db, -190 * DAY), clock(db, 10 * DAY)
    own = one(estate, not_before=begins, not_after=ends)
    assert estate.json("certificate", "show", own)["not_renewed"] is None
    with estate.database.transaction() as db:
        db.execute(update(Domain).values(state="SUSPENDED"))
    estate.types("auto-renew", "enable", "--days", "30")
    estate.types("auto-renew", "select", own)
    estate.types("auto-renew", "run", code=3)

    shown = estate.json("certificate", "show", own)
    told = estate.types("certificate", "show", own)

    assert "the domain nordhafen.example" in shown["not_renewed"]
    with estate.database.transaction() as db:
        decided = db.scalars(select(AutoRenewDecision)).one()
        assert f"{decided.decided_at:%Y-%m-%d}" in told
        line = db.get_one(Certificate, own).line_id
        renewal_failed(db, line, permanent=True, reason="SCM refused it: -105")
    assert "SCM refused it: -105" in estate.types("certificate", "show", own)


def test_equal_warnings_of_a_batch_are_one_line(estate: Typist) -> None:
    for number in range(6):
        one(estate, f"n{number}.nordhafen.example")

    estate.types("certificate", "renew", "--issuer", "Test CA", "--dry-run")

    (line,) = [text for text in estate.err.splitlines() if text.startswith("warning: ")]
    assert line.startswith("warning: 6 certificates (n0.nordhafen.example, ")
    assert "and 3 more): its key is not stored" in line


def test_a_name_of_several_certificates_tells_them_apart(estate: Typist) -> None:
    first = one(estate)
    second = one(estate, key_algorithm="EC", key_size="P-256", not_after=_in(estate, 100))

    told = estate.types("certificate", "renew", WWW, code=2)

    ends = f"{_in(estate, 100):%Y-%m-%d}"
    assert f"{second} (active, expires {ends}, EC P-256, key not stored, profile OV Single)" in told
    assert f"{first} (active, expires" in told


def test_ordering_a_name_that_has_a_certificate_is_said(estate: Typist) -> None:
    order = ("order", "create", "--common-name", WWW, "--organization", "Nordhafen AG")
    words = (*order, "--profile", "OV Single", "--term", "90")
    assert "active certificate" not in estate.types(*words, "--dry-run")
    own = one(estate)

    checked = estate.json(*words, "--dry-run")
    placed = estate.types(*words)

    (warning,) = checked["warnings"]
    assert warning.startswith(f"{WWW} has an active certificate, {own}, which expires on ")
    assert f"certline certificate renew {own}" in warning
    assert warning in placed


def _in(typist: Typist, days: int) -> Any:
    with typist.database.transaction() as db:
        return clock(db, timedelta(days=days))
