"""Tests of a failing deploy hook: retried, listed meanwhile, and reporting what went wrong."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from certline.models import Command, CommandStatus, CommandType, Hook, Outbox
from certline.models.certificates.deploy_hook import runs_that_matter
from certline.models.figures.catalogue import reading
from certline.models.figures.sample import figures_now
from certline.workers.steps import hook as step
from tests.integration.workers.conftest import Bench
from tests.integration.workers.deploying.certificates import (
    NAME,
    run,
    runs,
    script,
    stored_but_not_deployed,
)
from tests.integration.workers.succession import events_of, stored


def test_a_failing_command_is_tried_again_later_and_seen_until_it_works(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    flag = tmp_path / "works"
    words = f"echo the-password-is-hunter2; test -e {flag}"
    hooked(command=script(tmp_path, words), directory=str(tmp_path / "tls"))

    certificate = stored(bench, common_name="mail.nordhafen.example")
    bench.make_due()
    failed = run(bench)

    assert failed.status is CommandStatus.QUEUED
    assert failed.error == "hook 'web': its command ended with exit code 1"
    assert failed.attempts > 0
    assert (failed.result or {})["output"] == "the-password-is-hunter2\n"
    assert "hunter2" not in caplog.text
    assert (tmp_path / "tls/mail.nordhafen.example/current/private-key.pem").exists()
    with bench.database.transaction() as db:
        assert [each.id for each in runs_that_matter(db)] == [failed.id]
        assert reading(figures_now(db), "certline_hooks_failing") == 1
        everything = "".join(json.dumps(body) for body in db.scalars(select(Outbox.body)))
    assert "hunter2" not in everything + str([e.data for e in events_of(bench, certificate.id)])
    assert "hook.failed" in [event.type for event in events_of(bench, certificate.id)]
    flag.touch()
    assert bench.run(failed.id).status is CommandStatus.DONE
    with bench.database.transaction() as db:
        assert runs_that_matter(db) == []
        assert reading(figures_now(db), "certline_hooks_failing") == 0


def test_the_pauses_grow_and_after_the_last_try_others_are_told(
    bench: Bench, hooked: Callable[..., Hook]
) -> None:
    hooked(command="false")
    _, waiting = stored_but_not_deployed(bench)

    pauses = []
    for tries in (0, step.MOST_TRIES - 2):
        tried(bench, tries)
        waits = bench.run(waiting.id)
        assert waits.status is CommandStatus.QUEUED
        pauses.append((waits.not_before - waits.touched_at).total_seconds())
    tried(bench, step.MOST_TRIES - 1)
    ended = bench.run(waiting.id)

    assert ended.status is CommandStatus.FAILED
    assert pauses[0] <= step.FIRST_PAUSE + 1
    assert pauses[1] > 0.7 * step.LONGEST_PAUSE
    with bench.database.transaction() as db:
        told = db.scalars(select(Outbox.body).where(Outbox.routing_key == "command.failed")).one()
        assert reading(figures_now(db), "certline_hooks_failed") == 1
    assert told["data"]["command_id"] == waiting.id
    assert "exit code 1 (tried 10 times)" in told["data"]["error"]


def tried(bench: Bench, times: int) -> None:
    """Set every run's attempts, and make it due."""
    with bench.database.transaction() as db:
        db.execute(update(Command).where(Command.type == CommandType.HOOK).values(attempts=times))
    bench.make_due()


def test_whatever_goes_wrong_is_said(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked("a", command="/no/such/program")
    hooked("b", command="sh -c 'kill -9 $$'")
    hooked("c", command="sleep 600", timeout=1)
    hooked("d", directory="/proc/nowhere")
    hooked("e", directory=str(tmp_path / "taken"))
    (tmp_path / "taken" / NAME).mkdir(parents=True)
    (tmp_path / "taken" / NAME / "key.pem").touch()
    stored_but_not_deployed(bench)

    failed = [bench.run(each.id) for each in runs(bench)]

    assert {each.status for each in failed} == {CommandStatus.QUEUED}
    said = {each.payload["name"]: each.error or "" for each in failed}
    assert said["a"] == "hook 'a': No such file or directory: /no/such/program"
    assert said["b"] == "hook 'b': its command was killed by signal 9"
    assert said["c"] == "hook 'c': its command did not finish within 1 s and was terminated"
    assert said["d"] == "hook 'd': No such file or directory: /proc/nowhere"
    assert "not created by certline" in said["e"]


def test_who_dies_after_the_command_runs_it_again(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    hooked(command=script(tmp_path, f"echo deployed >> {out}"), directory=str(tmp_path / "tls"))
    _, waiting = stored_but_not_deployed(bench)
    with monkeypatch.context() as dying:
        dying.setattr(step, "_note", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.run(waiting.id)

    assert bench.run(waiting.id).status is CommandStatus.DONE
    bench.run(waiting.id)  # delivered once more

    assert out.read_text() == "deployed\n" * 2
