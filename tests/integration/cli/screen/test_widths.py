"""CLI tests of tables at the widths of real terminals: no line too long, no name broken, totals and distances."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from certline.cli.main import main
from certline.cli.renewals import plan
from certline.cli.renewals.bars import BAR
from certline.cli.ui import grid, output
from certline.models import Account, Certificate, CertificateStatus, Webhook
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.renewals.selection import AutoRenewRule
from certline.producers.renewals import settings
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate, a_profile, an_account, an_order

URL = "https://receiver.nordhafen.example/certline/events/in?team=operations"
NAMES = [
    f"host-{number}.{'long-' * (number % 4)}department.nordhafen.example" for number in range(9)
]
SHA = "ab" * 32

Screen = Callable[[int], io.StringIO]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Return a function that makes standard output a terminal of a width; the text is in what it returns."""

    def of_width(width: int) -> io.StringIO:
        text = io.StringIO()
        terminal = Console(
            file=text, width=width, force_terminal=True, markup=False, highlight=False, emoji=False
        )
        for module in (output, grid, plan):
            monkeypatch.setattr(module, "console", lambda **_: terminal)
        return text

    return of_width


@pytest.fixture
def fleet(typist: Typist) -> list[Certificate]:
    """Insert certificates, an active one that expires in five days among them, a webhook and audit entries."""
    now = datetime.now(UTC)
    with typist.database.transaction() as db:
        made = []
        account = None
        for number, name in enumerate(NAMES):
            order = an_order(db, account, common_name=name, status="stored")
            account = db.get_one(Account, order.account_id)
            status = CertificateStatus.SUPERSEDED if number % 2 else CertificateStatus.ACTIVE
            made.append(
                a_certificate(
                    db,
                    order,
                    common_name=name,
                    sans=[f"alias-{number}.example"],
                    status=status,
                    sha256_fingerprint=SHA,
                    not_before=now - timedelta(days=60),
                    not_after=now + timedelta(days=5 + number * 9, hours=5),
                )
            )
        db.add(
            Webhook(
                url=URL,
                events=["certificate.stored", "certificate.revoked"],
                secret_sealed=b"x",
                created_by="ida",
            )
        )
        record(
            db,
            "certificate.password_read",
            made[0].id,
            who=Identity("os:amelie@operations"),
            why="audit",
        )
        assert account is not None
        db.flush()
        settings.enable(db, [account], days=30, cap=None, who=Identity("os:ida"))
        settings.add_rule(
            db, AutoRenewRule(account_id=account.id, created_by="ida"), who=Identity("os:ida")
        )
    return made


def lines(text: io.StringIO) -> list[str]:
    """Return what is on the screen, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).splitlines()


COMMANDS = [
    ("certificate", "list"),
    ("order", "list"),
    ("audit", "list"),
    ("webhook", "list"),
    ("account", "list"),
    ("auto-renew", "show"),
    ("auto-renew", "plan", "--what-if", "47"),
    ("auto-renew", "audit"),
    ("schedule", "list"),
    ("certificate", "renew", "--name", "*", "--dry-run"),
]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_broken(
    fleet: list[Certificate], screen: Screen, width: int
) -> None:
    assert fleet
    with pytest.raises(SystemExit):
        main(["auto-renew", "run"])
    for words in COMMANDS:
        text = screen(width)
        with pytest.raises(SystemExit):
            main(list(words))

        shown = lines(text)
        assert shown, words
        assert [line for line in shown if len(line) > width] == [], words
        # Whole, or cut with a mark; never continued on the next line.
        found = re.findall(r"host-\d\S*", " ".join(shown))
        broken = [name for name in found if "…" not in name and name.rstrip(",;") not in NAMES]
        assert broken == [], words


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_list_of_certificates_begins_with_the_active_ones_and_says_when_they_end(
    typist: Typist, fleet: list[Certificate], screen: Screen, width: int
) -> None:
    text = screen(width)

    typist.types("certificate", "list")

    rows = lines(text)[1:]
    states = [word for row in rows for word in ("active", "superseded") if f" {word} " in row]
    assert states == ["active"] * 5 + ["superseded"] * 4
    assert re.search(r"\d{4}-\d\d-\d\d.*, in 5 days", rows[0])
    assert fleet[0].id in rows[0]
    assert typist.err == "9 in total\n"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_fingerprint_and_a_url_stay_on_one_line(
    typist: Typist, fleet: list[Certificate], screen: Screen, width: int
) -> None:
    text = screen(width)
    typist.types("certificate", "show", fleet[0].id)
    typist.types("webhook", "list")
    typist.types("webhook", "show", URL)

    shown = lines(text)
    assert sum(SHA in line for line in shown) == 1
    assert sum(URL in line for line in shown) == 2


def test_a_pipe_gets_one_whole_line_for_each_row(typist: Typist, fleet: list[Certificate]) -> None:
    assert fleet
    typist.types("webhook", "list")
    assert len(typist.out.splitlines()) == 2
    assert f"{URL}  certificate.stored, certificate.revoked" in typist.out
    typist.types("auto-renew", "plan", "--days", "40")
    assert "█" * BAR in typist.out


def test_any_name_of_a_certificate_is_found(typist: Typist, fleet: list[Certificate]) -> None:
    def listed(*words: str) -> list[str]:
        return [row["id"] for row in typist.json("certificate", "list", *words)]

    assert listed("--any-name", "alias-3.example") == [fleet[3].id]
    assert listed("--any-name", "ALIAS-*.example", "--status", "active") == [
        each.id for each in fleet[::2]
    ]
    assert listed("--any-name", NAMES[4]) == [fleet[4].id]
    assert listed("--any-name", "alias_3*") == []
    told = typist.types("certificate", "list", "--name", "alias-3.example")
    assert "--any-name alias-3.example" in told


def test_the_plan_shows_bars_that_fit(
    typist: Typist, fleet: list[Certificate], screen: Screen
) -> None:
    assert fleet
    bars = {}
    for width in (80, 100, 120):
        text = screen(width)
        typist.types("auto-renew", "plan", "--days", "40")
        shown = lines(text)
        bars[width] = max(line.count("█") for line in shown)
        assert len([line for line in shown if re.match(r"\w{3} \d{4}-", line)]) == 40

    assert 5 <= bars[80] <= bars[100] <= bars[120] <= BAR


def test_a_run_is_told_in_the_words_of_the_tables(typist: Typist, fleet: list[Certificate]) -> None:
    assert fleet
    with pytest.raises(SystemExit):
        main(["auto-renew", "run"])
    out = typist._capsys.readouterr().out

    assert re.search(r"^started \(UTC\) +\d{4}-\d\d-\d\d \d\d:\d\d$", out, re.MULTILINE)
    assert "looked at" in out
    assert "_" not in out
    assert not re.search(r"\dT\d", out)


def test_events_have_seconds(typist: Typist, fleet: list[Certificate]) -> None:
    typist.types("audit", "list", "--subject", fleet[0].id)
    assert re.search(r"\d\d:\d\d:\d\d  os:amelie", typist.out)


def test_the_audit_of_runs_takes_the_same_times_as_the_log(
    typist: Typist, fleet: list[Certificate]
) -> None:
    assert fleet
    for since in ("2026-11-25", "2026-11-25T09:30", "2026-11-25T09:30:00+02:00"):
        typist.json("audit", "list", "--since", since)
        typist.json("auto-renew", "audit", "--since", since)
    typist.types("auto-renew", "audit", "--since", "yesterday", code=2)


def test_a_revocation_is_shown_with_its_comments(typist: Typist, fleet: list[Certificate]) -> None:
    with typist.database.transaction() as db:
        found = db.get_one(Certificate, fleet[0].id)
        found.status, found.revoked_at = CertificateStatus.REVOKED, datetime.now(UTC)
        found.revocation_reason = "key-compromise"
        record(
            db,
            "certificate.revoked",
            found.id,
            who=Identity("os:ida"),
            why="the key was on a lost laptop",
        )

    assert "the key was on a lost laptop" in typist.types("certificate", "show", fleet[0].id)


def test_a_capacity_below_the_use_is_said(typist: Typist, fleet: list[Certificate]) -> None:
    told = typist.types("license", "set", "3")

    assert fleet
    assert "9 lines are in use, 6 more than the capacity" in told


def test_a_profile_has_a_status(typist: Typist) -> None:
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(a_profile(account_id=account.id, scm_id=51, name="Gold"))
        gone = a_profile(account_id=account.id, scm_id=52, name="Silver")
        gone.gone_at = datetime.now(UTC)
        db.add(gone)

    found = typist.json("profile", "list")
    assert [(row["name"], row["status"]) for row in found] == [
        ("Gold", "available"),
        ("Silver", "gone"),
    ]
    assert [row["id"] for row in typist.json("profile", "list", "--status", "gone")] == [52]
    assert "available" in typist.types("profile", "list")
