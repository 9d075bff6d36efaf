"""Tests of a late hook run: it never reverts to an older certificate, and never runs twice at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Certificate, CertificateStatus, Command, CommandStatus, Hook
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import remove_hook, runs_that_matter
from certline.models.lifecycle.deletion import delete_line
from certline.models.lifecycle.succession import mark_revoked
from certline.workers.deploying.folder import locked_folder
from certline.workers.steps import hook as step
from tests.integration.workers.conftest import Bench
from tests.integration.workers.deploying.certificates import (
    NAME,
    runs,
    serial_shown,
    stored_but_not_deployed,
)
from tests.integration.workers.succession import (
    certificate_of,
    events_of,
    go_on,
    renewal,
    until_stored,
)


def test_newer_files_are_never_overwritten_by_an_older_certificates(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked()
    first, waiting = stored_but_not_deployed(bench)
    with bench.database.transaction() as db:  # it waits in a queue meanwhile
        db.get_one(Command, waiting.id).status = CommandStatus.HELD
    renewed = renewal(bench, first)
    until_stored(bench, renewed)
    go_on(bench)
    newer = certificate_of(bench, renewed).serial_number
    assert serial_shown(tmp_path) == newer
    with bench.database.transaction() as db:
        db.get_one(Command, waiting.id).status = CommandStatus.QUEUED

    late = bench.run(waiting.id)

    assert late.status is CommandStatus.DONE
    assert (late.result or {})["said"] == "skipped: the certificate is superseded by now"
    assert serial_shown(tmp_path) == newer
    assert "hook.skipped" in [event.type for event in events_of(bench, first.id)]


def test_a_worker_that_was_frozen_before_it_had_the_folder_finds_a_newer_one(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked()
    certificate, waiting = stored_but_not_deployed(bench)
    locked = locked_folder

    def frozen_before(*words: Any) -> Any:
        with bench.database.transaction() as db:
            db.get_one(Certificate, certificate.id).status = CertificateStatus.SUPERSEDED
        return locked(*words)

    monkeypatch.setattr(step, "locked_folder", frozen_before)

    assert (bench.run(waiting.id).result or {})["outcome"] == "skipped"
    assert not (tmp_path / NAME / "current").exists()


def test_what_is_not_wanted_any_more_is_left_out(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    for name in ("removed", "revoked", "deleted"):
        hooked(name)
    certificate, _ = stored_but_not_deployed(bench)
    by_name = {each.payload["name"]: each.id for each in runs(bench)}

    with bench.database.transaction() as db:
        remove_hook(
            db, db.scalars(select(Hook).where(Hook.name == "removed")).one(), who=Identity("os:ida")
        )
    removed = bench.run(by_name["removed"])
    with bench.database.transaction() as db:
        here, command = db.get_one(Certificate, certificate.id), db.get_one(Command, removed.id)
        mark_revoked(db, here, command, reason="superseded", comments="test")
    revoked = bench.run(by_name["revoked"])
    with bench.database.transaction() as db:
        here, command = db.get_one(Certificate, certificate.id), db.get_one(Command, removed.id)
        delete_line(db, here, command, insist=False)
    deleted = bench.run(by_name["deleted"])

    assert (removed.result or {})["said"] == "skipped: hook 'removed' was removed"
    assert (revoked.result or {})["said"] == "skipped: the certificate is revoked by now"
    assert (deleted.status, deleted.error) == (
        CommandStatus.FAILED,
        "its order or certificate was deleted",
    )
    assert list(tmp_path.iterdir()) == []
    with bench.database.transaction() as db:
        assert runs_that_matter(db) == []


def test_a_run_waits_while_another_of_the_same_line_is_under_way(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked()
    certificate, waiting = stored_but_not_deployed(bench)

    with locked_folder(tmp_path, certificate.line_id, NAME):
        later = bench.run(waiting.id)

    assert (later.status, later.attempts) == (CommandStatus.QUEUED, 0)
    assert "is under way" in (later.error or "")
    bench.make_due()
    assert bench.run(waiting.id).status is CommandStatus.DONE
