"""Tests of `certline dns`: add, list, show, remove, and what is refused."""

import io
from pathlib import Path

import pytest
from sqlalchemy import select

from certline.models import (
    AuditEntry,
    Command,
    CommandStatus,
    CommandType,
    DnsProvider,
    Validation,
)
from certline.models.accounts.account import account_named
from certline.models.commands.command import accept
from certline.models.domains.outcome import fail_validation
from certline.models.domains.provider import credentials_of
from certline.models.domains.validation import begin_validation
from certline.models.states import ValidationMethod
from tests.integration.domains.conftest import WHO, Desk
from tests.support.factories import an_account

SECRET = "c2VjcmV0IG9mIGEgdHNpZyBrZXksIDMyIGJ5dGVzIQ=="
BIND = f'key "certline" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n'
KNOT = f"# hmac-sha256:certline:…\nkey:\n  - id: certline\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (f"certline:{SECRET}", "hmac-sha256"),
        (f"hmac-sha512:certline:{SECRET}\n", "hmac-sha512"),
        (BIND, "hmac-sha512"),
        (KNOT, "hmac-sha256"),
    ],
)
def test_a_key_is_read_as_the_servers_tools_write_it_and_never_shown(
    desk: Desk, key: str, algorithm: str
) -> None:
    added = desk.add("rfc2136", "--server", "ns1.example.test:5300", credentials=key)

    assert added["kind"] == "rfc2136"
    assert added["settings"] == {"server": "ns1.example.test:5300"}
    assert added["has_credentials"] is True
    with desk.database.transaction() as db:
        row = db.scalars(select(DnsProvider)).one()
        entries = [repr(entry.data) for entry in db.scalars(select(AuditEntry))]
    assert credentials_of(desk.vault, row) == {
        "name": "certline",
        "algorithm": algorithm,
        "secret": SECRET,
    }
    shown = [desk.typist.types("dns", *words) for words in (("list",), ("show", "ours"))]
    assert not any(SECRET in text for text in [*shown, *entries, repr(row), str(added)])


@pytest.mark.parametrize(
    ("words", "given", "stored"),
    [
        (("rfc2136", "--server", "ns1.test"), KNOT, {"name": "certline", "secret": SECRET}),
        (("cloudflare",), "auth_token=hunter2\n", {"auth_token": "hunter2"}),
    ],
)
def test_credentials_are_read_from_standard_input(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    given: str,
    stored: dict[str, str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode())))

    desk.add(*words)

    with desk.database.transaction() as db:
        row = db.scalars(select(DnsProvider)).one()
    assert credentials_of(desk.vault, row).items() >= stored.items()


def test_each_change_is_an_entry_of_the_audit_log(desk: Desk) -> None:
    desk.add("manual")
    desk.typist.types("dns", "remove", "ours")

    with desk.database.transaction() as db:
        query = select(AuditEntry).where(AuditEntry.subject == "ours").order_by(AuditEntry.id)
        entries = list(db.scalars(query))
    assert [entry.type for entry in entries] == ["dns.added", "dns.removed"]
    assert entries[0].data["provider"]["zones"] == ["example.test"]
    assert desk.typist.json("dns", "list") == []


def test_zones_are_stored_in_ascii_once_each(desk: Desk) -> None:
    added = desk.add("manual", "--zones", "MÜNCHEN.example., example.test,_Proofs.example.test")

    assert added["zones"] == ["_proofs.example.test", "example.test", "xn--mnchen-3ya.example"]


def test_a_provider_that_is_there_is_not_replaced(desk: Desk) -> None:
    desk.add("manual")

    said = desk.typist.types(
        "dns", "add", "ours", "--provider", "manual", "--zones", "a.example", code=4
    )

    assert "certline dns remove ours" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("rfc2136",), "--provider rfc2136 needs --server"),
        (("folder",), "--provider folder needs --folder"),
        (("folder", "--folder", "www"), "absolute path"),
        (("command", "--command", "'unclosed"), "cannot be read"),
        (("command", "--command", "x", "--server", "a"), "--server does not go with"),
        (("nosuch",), "'nosuch' is not known"),
        (("auto",), "'auto' is not known"),
        (("cloudflare", "--option", "auth_token=abc"), "looks like a secret"),
        (("manual", "--resolver", "resolver.example"), "is no IP address"),
        (("manual", "--nameserver", "ns1.example:0"), "is no server"),
        (
            ("folder", "--folder", "/srv/www", "--nameserver", "127.0.0.1"),
            "--nameserver does not go with --provider folder a file is looked for at its URL",
        ),
        (("manual", "--zones", "bad..example"), "is no name of a zone"),
        (("manual", "--zones", "*.example"), "is no name of a zone"),
    ],
)
def test_what_cannot_be_used_is_said(desk: Desk, words: tuple[str, ...], why: str) -> None:
    said = desk.typist.types(
        "dns", "add", "ours", "--zones", "example.test", "--provider", *words, code=2
    )

    assert why in " ".join(said.split())
    assert "abc" not in said


def test_a_second_provider_of_a_zone_is_told_with_the_one_that_gets_the_proofs(desk: Desk) -> None:
    desk.add("rfc2136", "--server", "ns1.test", credentials=f"certline:{SECRET}", name="ours")
    desk.add("folder", "--folder", "/srv/www", name="web")
    assert "have the zone" not in desk.typist.err

    desk.add("command", "--command", "true", "--zones", "sub.example.test", name="another")

    told = " ".join(desk.typist.err.split())
    assert "warning: another and ours have the zone example.test. Its records go to another" in told
    assert "warning: another and web have the zone example.test. Its files go to another" in told
    assert "sub.example.test." not in told


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("certline", "it is no TSIG key"),
        ("hmac-md5:certline:c2VjcmV0", "use one of hmac-sha256"),
        ("certline:n0t base64!", "is not base64"),
        ("certline:", "it is no TSIG key"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_but_not_repeated(
    desk: Desk, tmp_path: Path, key: str, why: str
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    words = ("--provider", "rfc2136", "--zones", "example.test", "--server", "ns1.example")

    said = desk.typist.types("dns", "add", "ours", *words, "--credentials-file", str(file), code=2)

    assert why in " ".join(said.split())
    assert "c2VjcmV0" not in said
    assert "n0t" not in said


def test_the_options_of_a_dns_provider_are_those_of_its_own(desk: Desk) -> None:
    added = desk.add(
        "powerdns",
        *("--option", "pdns-server=http://127.0.0.1:1"),
        credentials="# the API key\n\nauth-token = k3y=with=signs \n",
    )

    assert added["settings"]["options"] == {"pdns_server": "http://127.0.0.1:1"}
    with desk.database.transaction() as db:
        row = db.scalars(select(DnsProvider)).one()
    assert credentials_of(desk.vault, row) == {"auth_token": "k3y=with=signs"}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("auth_tokken=abc\n", "powerdns has no option 'auth_tokken'; it has auth_token"),
        ("# nothing\n", "powerdns needs credentials"),
        ("abc\n", "line 1 is not NAME=VALUE"),
    ],
)
def test_credentials_that_a_dns_provider_does_not_know_are_said(
    desk: Desk, tmp_path: Path, lines: str, why: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text(lines)
    words = ("--provider", "powerdns", "--zones", "example.test")

    said = desk.typist.types("dns", "add", "ours", *words, "--credentials-file", str(file), code=2)

    assert why in " ".join(said.split())
    assert "abc" not in said


@pytest.mark.parametrize("words", [("show",), ("test",), ("remove",)])
def test_an_unknown_provider_is_answered_with_those_that_are_known(
    desk: Desk, words: tuple[str, ...]
) -> None:
    desk.add("manual")

    said = desk.typist.types("dns", *words, "other", code=1)

    assert "known providers: ours" in said


def under_way(desk: Desk, *, dns: str | None, begun: bool = True) -> None:
    """Have a domain be validated; `dns`: by that provider. Not `begun`: its command waits."""
    domain = f"d{dns}.example.test" if begun else "later.example.test"
    with desk.database.transaction() as db:
        account = account_named(db, "hafen") or an_account(db, name="hafen")
        command, _ = accept(
            db,
            CommandType.VALIDATE,
            {"domain": domain, "account": "hafen", "dns": dns},
            requested_by=WHO,
            source="cli",
            subject=domain,
        )
        if begun:
            begin_validation(
                db,
                account.id,
                domain,
                method=ValidationMethod.CNAME,
                dns=dns,
                email=None,
                before=None,
                command_id=command.id,
                requested_by=WHO,
            )


def test_a_provider_that_a_validation_uses_is_not_removed(desk: Desk) -> None:
    desk.add("manual")
    for dns, begun in (("ours", True), ("ours", False), ("other", True)):
        under_way(desk, dns=dns, begun=begun)

    said = desk.typist.types("dns", "remove", "ours", code=1)

    told = "used by the 2 validations: dours.example.test, later.example.test: it is not removed"
    assert told in " ".join(said.split())
    assert "certline domain show dours.example.test" in said
    assert [each["name"] for each in desk.typist.json("dns", "list")] == ["ours"]


def test_with_force_a_provider_is_removed_all_the_same_and_that_is_told_and_audited(
    desk: Desk,
) -> None:
    desk.add("manual")
    under_way(desk, dns="ours")

    found = desk.typist.json("dns", "remove", "ours", "--force")

    assert found["used_by"] == ["dours.example.test"]
    assert "dours.example.test" in desk.typist.err
    assert desk.typist.json("dns", "list") == []
    with desk.database.transaction() as db:
        entry = db.scalars(select(AuditEntry).filter_by(type="dns.removed")).one()
    assert entry.data["used_by"] == ["dours.example.test"]


def test_a_validation_that_has_ended_uses_no_provider(desk: Desk) -> None:
    desk.add("manual")
    under_way(desk, dns="ours")
    with desk.database.transaction() as db:
        row = db.scalars(select(Validation)).one()
        fail_validation(db, row, "no such name")
        db.get_one(Command, row.command_id).status = CommandStatus.FAILED

    assert "is removed" in desk.typist.types("dns", "remove", "ours")
