"""CLI tests of shell completion of names: what begins as typed, quickly, and silent on failure."""

import pytest

from certline.cli.main import main
from certline.models import Account, Hook
from certline.models.settings import settings
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate, a_profile, an_order, an_organization


@pytest.fixture
def rows(typist: Typist) -> dict[str, str]:
    """Insert two certificates with their account, an order, an organisation, a profile and a hook."""
    with typist.database.transaction() as db:
        first = a_certificate(db, common_name="shop.example")
        account = db.get_one(Account, first.account_id)
        account.name = "hafen"
        order = an_order(db, account, common_name="mail.example", status="pending")
        past = a_certificate(db, order, common_name="old.example", status="superseded")
        db.add(an_organization(account_id=account.id, scm_id=9101, name="Nordhafen University"))
        db.add(a_profile(account_id=account.id, name="Gold"))
        db.add(
            Hook(
                name="web",
                events=["certificate.stored"],
                directory="/tls",
                timeout=9,
                created_by="ida",
            )
        )
    return {"certificate": first.id, "past": past.id, "order": order.id}


def completed(
    typist: Typist, monkeypatch: pytest.MonkeyPatch, line: str, shell: str = "zsh"
) -> list[str]:
    """Return what a shell offers at the end of a line."""
    words = line.split(" ")
    monkeypatch.setenv("_CERTLINE_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    typist._capsys.readouterr()
    with pytest.raises(SystemExit):
        main([])
    out, err = typist._capsys.readouterr()
    assert err == ""
    if shell == "bash":
        return [text.partition(",")[2] for text in out.splitlines()]
    return out.splitlines()[1::3]


# The line up to the cursor, and what is offered.
OFFERED = [
    ("certline certificate show ", ["shop.example"]),
    ("certline certificate export sh", ["shop.example"]),
    ("certline certificate renew shop.example sh", ["shop.example"]),
    ("certline account show ", ["hafen"]),
    ("certline account add ", []),
    ("certline order list --account ha", ["hafen"]),
    ("certline order list --account x", []),
    ("certline order create --organization N", ["Nordhafen University"]),
    ("certline order create --profile ", ["Gold"]),
    ("certline hook remove ", ["web"]),
    ("certline hook runs --hook w", ["web"]),
    ("certline schedule run import-n", []),
    ("certline order list --status st", ["stored"]),
    ("certline certificate list --status super", ["superseded"]),
    ("certline orde", ["order"]),
    ("certline order sh", ["show"]),
    ("certline order show --js", ["--json"]),
]


def test_names_are_offered_as_far_as_they_are_typed(
    typist: Typist, rows: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows
    for line, offered in OFFERED:
        assert completed(typist, monkeypatch, line) == offered, line


def test_ids_are_offered_the_newest_first(
    typist: Typist, rows: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = completed(typist, monkeypatch, "certline order show ")
    past = completed(typist, monkeypatch, f"certline certificate show {rows['past'][:20]}")

    assert orders == sorted(orders, reverse=True)
    assert rows["order"] in orders
    assert rows["past"] in past


def test_bash_gets_names_that_it_can_read_again(
    typist: Typist, rows: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows
    line = "certline order create --organization N"

    assert completed(typist, monkeypatch, line, "bash") == ["Nordhafen\\ University"]


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/none", "nonsense", None])
def test_without_a_database_nothing_is_offered_said_or_started(
    typist: Typist,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    url: str | None,
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CERTLINE_HOME", str(home))
    if url is None:
        monkeypatch.delenv("CERTLINE_DATABASE_URL")
    else:
        monkeypatch.setenv("CERTLINE_DATABASE_URL", url)
    settings.cache_clear()

    assert completed(typist, monkeypatch, "certline certificate show ") == []
    assert list(home.iterdir()) == []
