"""Tests that an import which was held does no more than one which was not: no event, no deploy hook."""

from pathlib import Path

from sqlalchemy import func, select

from certline.models import CertificateStatus, Command, CommandType
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import add_hook
from certline.producers.requests.license import set_license
from tests.integration.imports.conftest import Estate

HEARD = ("certificate.stored", "certificate.renewed", "certificate.reissued")


def hooked(estate: Estate, folder: Path) -> None:
    with estate.database.transaction() as db:
        add_hook(db, "web", HEARD, who=Identity("os:ida"), directory=str(folder))


def hook_runs(estate: Estate) -> int:
    with estate.database.transaction() as db:
        return db.scalar(select(func.count()).where(Command.type == CommandType.HOOK)) or 0


def told(estate: Estate) -> list[object]:
    return [event for kind in HEARD for event in estate.told(kind)]


def test_an_import_that_was_held_starts_no_hook_once_the_licence_is_raised(
    estate: Estate, tmp_path: Path
) -> None:
    hooked(estate, tmp_path)
    set_license(estate.database, 3, requested_by=Identity("os:ida"))
    assert estate.take_in()["held"] > 0

    set_license(estate.database, 1000, requested_by=Identity("os:ida"))
    while estate.run_kinds(CommandType.FETCH):
        pass

    assert {each.scm_id for each in estate.certificates()} == set(estate.ids_at_scm("Issued"))
    assert told(estate) == []
    assert hook_runs(estate) == 0


def test_renewals_that_were_held_together_are_no_news(empty: Estate, tmp_path: Path) -> None:
    hooked(empty, tmp_path)
    old = empty.order_by_a_stranger()
    new = empty.renewed_by_a_stranger(old)
    set_license(empty.database, 0, requested_by=Identity("os:ida"))
    empty.take_in()

    set_license(empty.database, 1, requested_by=Identity("os:ida"))
    while empty.run_kinds(CommandType.FETCH):
        pass

    standing = {each.scm_id: each.status for each in empty.certificates()}
    assert standing == {old: CertificateStatus.SUPERSEDED, new: CertificateStatus.ACTIVE}
    assert told(empty) == []
    assert hook_runs(empty) == 0


def test_two_imports_that_are_held_exhaust_the_licence_once(empty: Estate) -> None:
    set_license(empty.database, 0, requested_by=Identity("os:ida"))
    empty.order_by_a_stranger()
    empty.take_in()
    empty.order_by_a_stranger("other.nordhafen.example")
    empty.take_in()

    assert [event["held"] for event in empty.told("license.exhausted")] == [1]
