"""CLI tests of batch renewal: selection, refusals with their reasons, and the batch's progress."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Certificate, CertificateStatus, Command, OrderStatus
from certline.models.database.session import clock
from tests.integration.cli.conftest import Typist
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

NAMES = ("shop", "mail", "www", "vpn")
ISSUERS = ("CN=Hafen CA R36,O=Hafen", "CN=Hafen CA E36,O=Hafen")


@pytest.fixture
def certificates(typist: Typist) -> dict[str, str]:
    """Insert four active certificates that end in 10, 20, 30 and 40 days. Returns ids by the first part of the
    name.
    """
    found = {}
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(an_organization(account_id=account.id))
        db.add(a_domain(account_id=account.id, validation_expires=None))
        db.add(a_profile(account_id=account.id))
        for number, name in enumerate(NAMES):
            order = an_order(
                db,
                account,
                status=OrderStatus.STORED,
                common_name=f"{name}.nordhafen.example",
            )
            certificate = a_certificate(
                db,
                order,
                issuer=ISSUERS[number % 2],
                not_after=clock(db, timedelta(days=10 * (number + 1))),
                keystore_password_sealed=typist.vault.seal_token(b"a password"),
            )
            order.certificate_id = certificate.id
            found[name] = certificate.id
    return found


def revoke(typist: Typist, certificate_id: str) -> None:
    """Mark the certificate as revoked."""
    with typist.database.transaction() as db:
        row = db.get_one(Certificate, certificate_id)
        row.status, row.revoked_at = CertificateStatus.REVOKED, clock(db)


def commands(typist: Typist) -> list[Command]:
    """Return all commands."""
    with typist.database.transaction() as db:
        return list(db.scalars(select(Command)))


def names(members: list[dict[str, Any]]) -> list[str]:
    """Return the first part of each name, in order."""
    return [member["common_name"].partition(".")[0] for member in members]


CHOSEN = {
    ("--expires-within", "25"): ["shop", "mail"],
    ("--issuer", "e36"): ["mail", "vpn"],
    ("--issuer", "cn=hafen*r36"): ["shop", "www"],
    ("--profile", "OV Single", "--name", "w*"): ["www"],
    ("--organization", "9102", "--expires-within", "15"): ["shop"],
    ("--account", "hafen"): ["shop", "mail", "www", "vpn"],
}


def test_a_dry_run_lists_what_the_filters_choose_and_places_nothing(
    typist: Typist, certificates: dict[str, str]
) -> None:
    for words, chosen in CHOSEN.items():
        found = typist.json("certificate", "renew", *words, "--dry-run")

        assert names(found) == chosen, words
        assert [each["ok"] for each in found] == [True] * len(chosen)
        assert [each["certificate"] for each in found] == [certificates[name] for name in chosen]
    assert commands(typist) == []


def test_a_dry_run_says_what_would_be_refused_and_why(
    typist: Typist, certificates: dict[str, str], tmp_path: Path
) -> None:
    revoke(typist, certificates["mail"])
    listed = tmp_path / "list.txt"
    listed.write_text(f"# the old CA\n{certificates['mail']}\n\nshop.nordhafen.example # first\n")

    told = typist.types("certificate", "renew", "--file", str(listed), "--pace", "2/h", "--dry-run")

    assert "is revoked: order a new one" in told
    assert "1 can be renewed, 1 refused; at 2/h that takes 30 min. Nothing was placed." in told
    assert commands(typist) == []


def test_several_that_are_named_are_renewed_all_or_not_at_all(
    typist: Typist, certificates: dict[str, str]
) -> None:
    revoke(typist, certificates["mail"])
    both = (certificates["shop"], certificates["mail"])

    listed = typist.json("certificate", "renew", *both, "--dry-run", code=2)
    refused = typist.json("certificate", "renew", *both, code=2)

    assert [each["ok"] for each in listed] == [True, False]
    assert "is revoked" in refused["error"]["message"]
    assert commands(typist) == []
    placed = typist.json("certificate", "renew", certificates["shop"], certificates["www"])
    assert [each["type"] for each in placed] == ["renew", "renew"]


def test_a_batch_is_begun_paused_resumed_listed_and_shown(
    typist: Typist, certificates: dict[str, str]
) -> None:
    revoke(typist, certificates["vpn"])

    begun = typist.json("certificate", "renew", *certificates.values(), "--pace", "60/h")
    assert (begun["status"], begun["per_hour"], begun["total"]) == ("running", 60, 4)
    assert (begun["waiting"], begun["running"], begun["refused"]) == (2, 1, 1)
    assert begun["selection"] == "'4 certificates'"
    assert begun["ends_at"] is not None
    assert [each["status"] for each in begun["members"]] == [
        *("running", "waiting", "waiting", "refused")
    ]
    assert len(commands(typist)) == 1

    assert typist.json("renewal", "pause", begun["id"])["status"] == "paused"
    assert "nothing that could be paused" in typist.types("renewal", "pause", begun["id"], code=4)
    resumed = typist.json("renewal", "resume", begun["id"], "--pace", "10/min")
    assert (resumed["status"], resumed["per_hour"]) == ("running", 600)
    assert [each["id"] for each in typist.json("renewal", "list")] == [begun["id"]]
    shown = typist.types("renewal", "show", begun["id"])
    assert "0 of 4 renewed, 1 refused" in shown
    assert "is revoked: order a new one" in shown


def test_a_batch_of_the_wrong_certificates_is_cancelled(
    typist: Typist, certificates: dict[str, str]
) -> None:
    begun = typist.json("certificate", "renew", *certificates.values(), "--pace", "1/h")

    cancelled = typist.json("renewal", "cancel", begun["id"])

    assert (cancelled["status"], cancelled["waiting"], cancelled["running"]) == ("running", 0, 1)
    assert cancelled["cancelled"] == cancelled["total"] - 1 == 3
    assert [each["status"] for each in cancelled["members"]] == ["running", *["cancelled"] * 3]
    assert all("cancelled the batch" in each["reason"] for each in cancelled["members"][1:])
    told = typist.types("renewal", "cancel", begun["id"], code=4)
    assert "nothing left that waits for its turn" in told
    assert "certline order cancel" in told
    assert "0 of 4 renewed, 3 cancelled, 1 under way" in typist.types("renewal", "list")
    assert len(commands(typist)) == 1


def test_a_batch_that_is_waited_for_in_vain_goes_on(
    typist: Typist, certificates: dict[str, str]
) -> None:
    assert certificates
    words = ("certificate", "renew", "--expires-within", "15", "--wait", "--timeout", "0", "--yes")

    told = typist.types(*words, code=5)

    assert "the batch goes on: certline renewal wait" in told
    (batch,) = typist.json("renewal", "list")
    assert typist.json("renewal", "wait", batch["id"], "--timeout", "0", code=5)["running"] == 1


def test_a_batch_of_which_nothing_can_be_renewed_says_so(
    typist: Typist, certificates: dict[str, str]
) -> None:
    revoke(typist, certificates["shop"])

    ended = typist.json(
        "certificate", "renew", certificates["shop"], "--pace", "5/h", "--wait", code=4
    )

    assert (ended["status"], ended["refused"], ended["running"]) == ("done", 1, 0)
    assert typist.json("renewal", "wait", ended["id"], code=1)["id"] == ended["id"]


MISTAKES = [
    ((), 2, "one of the three"),
    (("shop.nordhafen.example", "--expires-within", "3"), 2, "one of the three"),
    (("--issuer", "Strangers"), 4, "no active certificate matches"),
    (("--expires-within", "30", "--again"), 2, "--again works only with named certificates"),
    (("--expires-within", "30", "--pace", "fast"), 2, "such as 500/h"),
    (("--profile", "Gold"), 2, "profile 'Gold' is not known"),
]


def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    typist: Typist, certificates: dict[str, str]
) -> None:
    assert certificates

    for words, code, said in MISTAKES:
        told = typist.types("certificate", "renew", *words, code=code)

        assert said in " ".join(told.split())
    assert commands(typist) == []


def test_every_line_of_a_file_that_names_nothing_is_said_at_once(
    typist: Typist, certificates: dict[str, str], tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{certificates['shop']}\nnobody.nordhafen.example\nfe:ed\n")

    refused = typist.json("certificate", "renew", "--file", str(listed), code=2)

    assert [problem.partition(":")[0] for problem in refused["error"]["problems"]] == [
        "line 2",
        "line 3",
    ]
    assert commands(typist) == []


def test_nobody_waits_for_a_batch_that_is_not_there(typist: Typist) -> None:
    assert "batch 'X' is not known" in typist.types("renewal", "wait", "X", code=1)
    assert "There are no batches yet" in typist.types("renewal", "list")
