"""Deploy hooks: recorded with their event, run by a worker, tried again, and never back to an older one."""

import json
import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from sqlalchemy import select, update

from models import Certificate, CertificateStatus, Command, CommandStatus, CommandType, Hook, Outbox
from models.deleting import delete_line
from models.figures import figures
from models.hook import add_hook, remove_hook, run_hook, runs_that_matter
from models.lifecycle import mark_revoked
from models.outbox import Queue
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    certificate_of,
    events_of,
    go_on,
    reissue,
    renewal,
    stored,
    until_stored,
)
from tests.servers import until
from workers import hook as step
from workers.keys import public_key_sha256, read_certificates
from workers.line_folder import locked_folder

NAME = "www.nordhafen.example"
EVENTS = ("certificate.stored", "certificate.renewed", "certificate.reissued")


@pytest.fixture
def hooked(bench: Bench, tmp_path: Path) -> Callable[..., Hook]:
    """Adds a hook to the bench's line; where nothing else is said, one that only writes files."""

    def add(name: str = "web", events: tuple[str, ...] = EVENTS, **named: Any) -> Hook:
        usual: dict[str, Any] = {} if "command" in named else {"directory": str(tmp_path)}
        with bench.database.transaction() as db:
            return add_hook(db, name, events, who="ida", **usual | named)

    return add


def runs(bench: Bench) -> list[Command]:
    """The runs of all hooks, the oldest first."""
    query = select(Command).where(Command.type == CommandType.HOOK)
    with bench.database.transaction() as db:
        return list(db.scalars(query.order_by(Command.created_at, Command.id)))


def run(bench: Bench) -> Command:
    """The one run that there is."""
    (found,) = runs(bench)
    return found


def shown(tmp_path: Path, name: str = NAME) -> dict[str, bytes]:
    """The files that a server would read now."""
    return {file.name: file.read_bytes() for file in (tmp_path / name / "current").iterdir()}


def serial_shown(tmp_path: Path) -> str:
    (leaf,) = read_certificates(shown(tmp_path)["certificate.pem"])
    return f"{leaf.serial_number:x}"


def script(tmp_path: Path, text: str) -> str:
    """A command that runs this script."""
    file = tmp_path / "deploy.sh"
    file.write_text(text)
    return f"sh {file}"


def test_a_certificate_that_is_stored_is_put_where_a_server_reads_it(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked()

    certificate = stored(bench)

    assert (run(bench).status, run(bench).error) == (CommandStatus.DONE, None)
    files = shown(tmp_path)
    (leaf,) = read_certificates(files["certificate.pem"])
    assert read_certificates(files["fullchain.pem"]) == [
        leaf,
        *read_certificates(files["chain.pem"]),
    ]
    key = load_pem_private_key(files["private-key.pem"], None)
    assert public_key_sha256(key.public_key()) == public_key_sha256(leaf.public_key())
    opened = pkcs12.load_pkcs12(files["keystore.p12"], files["keystore-password"])
    assert opened.cert is not None
    assert opened.cert.certificate == leaf
    current = tmp_path / NAME / "current"
    secret = {each.name for each in current.iterdir() if not each.stat().st_mode & stat.S_IRGRP}
    assert secret == {"private-key.pem", "keystore.p12", "keystore-password"}
    assert {(current / name).stat().st_mode & 0o777 for name in secret} == {0o600}
    assert f"{leaf.serial_number:x}" == certificate.serial_number
    logged = [(event.type, event.who) for event in events_of(bench, certificate.id)]
    assert logged == [
        ("certificate.exported", "hook web"),
        ("certificate.password_read", "hook web"),
        ("hook.done", "certline"),
    ]
    assert {event.command_id for event in events_of(bench, certificate.id)} == {run(bench).id}


def test_the_command_is_written_in_the_transaction_of_the_event_and_waits_in_its_own_queue(
    bench: Bench, hooked: Callable[..., Hook]
) -> None:
    hooked()

    certificate = stored(bench)

    with bench.database.transaction() as db:
        told = db.scalars(select(Outbox).where(Outbox.routing_key == "certificate.stored")).one()
        sent = db.scalars(select(Outbox).where(Outbox.routing_key == Queue.HOOK)).first()
    assert sent is not None
    assert sent.created_at == told.created_at  # Postgres' time of a transaction
    assert sent.body["kwargs"] == {"command_id": run(bench).id}
    assert (run(bench).subject, run(bench).source) == (certificate.id, "certline")
    assert run(bench).correlation_id == told.body["correlationid"]


def test_only_the_hooks_that_a_certificate_concerns_are_started(
    bench: Bench, hooked: Callable[..., Hook]
) -> None:
    hooked("names", common_name="www.*")
    hooked("others", common_name="mail.*")
    hooked("renewals", EVENTS[1:])
    hooked("account", account=bench.account())

    stored(bench)

    assert sorted(each.payload["name"] for each in runs(bench)) == ["account", "names"]


def test_a_renewal_and_a_reissue_take_the_files_place_each_with_one_run(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked(command=script(tmp_path, "echo $CERTLINE_EVENT"), directory=str(tmp_path))
    first = stored(bench)
    renewed = renewal(bench, first)
    until_stored(bench, renewed)
    reissued = reissue(bench, certificate_of(bench, renewed))
    until_stored(bench, reissued)
    go_on(bench)

    said = [(each.result or {})["output"].strip() for each in runs(bench)]
    assert said == list(EVENTS)
    assert serial_shown(tmp_path) == certificate_of(bench, reissued).serial_number
    assert len(list((tmp_path / NAME / "versions").iterdir())) == 2


def test_the_command_has_the_facts_and_paths_and_nothing_secret_in_its_environment(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", bench.secret_key)
    out = tmp_path / "told"
    hooked(
        command=script(
            tmp_path, f"env > {out}.env; tr '\\0' '\\n' < /proc/$$/cmdline > {out}.argv"
        ),
        directory=str(tmp_path / "tls"),
    )

    certificate = stored(bench)

    assert run(bench).status is CommandStatus.DONE
    told = dict(each.split("=", 1) for each in Path(f"{out}.env").read_text().splitlines())
    current = tmp_path / "tls" / NAME / "current"
    assert told["CERTLINE_COMMON_NAME"] == NAME
    assert told["CERTLINE_SERIAL_NUMBER"] == certificate.serial_number
    assert told["CERTLINE_CERTIFICATE_FILE"] == str(current / "certificate.pem")
    assert told["CERTLINE_DIRECTORY"] == str(current)
    assert told["CERTLINE_ACCOUNT"] == "demo"
    assert told["CERTLINE_NOT_AFTER"] == f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}"
    for name in ("KEY_FILE", "KEYSTORE_FILE", "KEYSTORE_PASSWORD_FILE"):
        assert Path(told[f"CERTLINE_{name}"]).is_file()
    password = (current / "keystore-password").read_text()
    everything = Path(f"{out}.env").read_text() + Path(f"{out}.argv").read_text()
    for secret in (password, bench.secret_key, "PRIVATE KEY"):
        assert secret not in everything


def test_without_a_directory_the_files_are_there_for_the_command_only(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "private_directory", lambda _: tmp_path / "private")
    kept = tmp_path / "kept.pem"
    hooked(command=script(tmp_path, f'cp "$CERTLINE_KEY_FILE" {kept}'))

    stored(bench)

    assert run(bench).status is CommandStatus.DONE
    assert b"PRIVATE KEY" in kept.read_bytes()
    left = [each.name for each in (tmp_path / "private").rglob("*") if each.is_file()]
    assert left == [".line"]


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
        assert figures(db)["certline_hooks_failing"] == 1
        everything = "".join(json.dumps(body) for body in db.scalars(select(Outbox.body)))
    assert "hunter2" not in everything + str([e.data for e in events_of(bench, certificate.id)])
    assert "hook.failed" in [event.type for event in events_of(bench, certificate.id)]
    flag.touch()
    assert bench.run(failed.id).status is CommandStatus.DONE
    with bench.database.transaction() as db:
        assert runs_that_matter(db) == []
        assert figures(db)["certline_hooks_failing"] == 0


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
        assert figures(db)["certline_hooks_failed"] == 1
    assert told["data"]["command_id"] == waiting.id
    assert "exit code 1 (tried 10 times)" in told["data"]["error"]


def tried(bench: Bench, times: int) -> None:
    """Every run has been tried so often, and is due."""
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
    assert said["b"] == "hook 'b': its command was ended by signal 9"
    assert said["c"] == "hook 'c': its command was not done after 1 s, and was ended"
    assert said["d"] == "hook 'd': No such file or directory: /proc/nowhere"
    assert "not of certline's making" in said["e"]


def stored_but_not_deployed(bench: Bench) -> tuple[Certificate, Command]:
    """A stored certificate whose hooks have not run; and the first of their runs."""
    command = bench.place()

    def is_stored() -> bool:
        bench.make_due()
        with bench.database.transaction() as db:
            due = list(
                db.scalars(
                    select(Command.id).where(
                        Command.status == CommandStatus.QUEUED, Command.type != CommandType.HOOK
                    )
                )
            )
        for each in due:
            bench.run(each)
        return bench.order(command).certificate_id is not None

    until(is_stored, 30)
    return certificate_of(bench, command), runs(bench)[0]


def test_newer_files_are_never_overwritten_by_an_older_certificates(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked()
    first, waiting = stored_but_not_deployed(bench)
    with bench.database.transaction() as db:  # it lies in a queue meanwhile
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
        remove_hook(db, db.scalars(select(Hook).where(Hook.name == "removed")).one(), who="ida")
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
        "what it was about was deleted",
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


def test_a_hook_can_be_run_for_what_is_here_already(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    certificate = stored(bench, keystore_type="JKS", common_name="app.nordhafen.example")
    hook = hooked()
    assert runs(bench) == []

    for _ in range(2):
        with bench.database.transaction() as db:
            found = db.get_one(Certificate, certificate.id)
            run_hook(db, hook, found, requested_by="ida")
        go_on(bench, 1)

    assert [each.status for each in runs(bench)] == [CommandStatus.DONE] * 2
    assert "keystore.jks" in shown(tmp_path, "app.nordhafen.example")
    with bench.database.transaction() as db:
        found = db.get_one(Certificate, certificate.id)
        found.key_id = None  # as after an import
        run_hook(db, hook, found, requested_by="ida")
    go_on(bench, 1)
    public = ["certificate.pem", "chain.pem", "fullchain.pem"]
    assert sorted(shown(tmp_path, "app.nordhafen.example")) == public
