"""Tests of deploy hooks: recorded with their event, and run by a worker for matching certificates."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from sqlalchemy import select

from certline.models import Certificate, CommandStatus, Hook, Outbox
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import run_hook
from certline.models.states import Queue
from certline.workers.keys import public_key_sha256, read_certificates
from certline.workers.steps import hook as step
from tests.integration.workers.conftest import EVENTS, Bench
from tests.integration.workers.deploying.certificates import (
    NAME,
    run,
    runs,
    script,
    serial_shown,
    shown,
)
from tests.integration.workers.succession import (
    certificate_of,
    events_of,
    go_on,
    reissue,
    renewal,
    stored,
    until_stored,
)


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
        ("certificate.exported", "certline:hook web"),
        ("certificate.password_read", "certline:hook web"),
        ("hook.done", "certline:worker"),
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
    assert sent.created_at == told.created_at  # Postgres' transaction time
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
    monkeypatch.setattr(step, "private_directory", lambda *_: tmp_path / "private")
    kept = tmp_path / "kept.pem"
    hooked(command=script(tmp_path, f'cp "$CERTLINE_KEY_FILE" {kept}'))

    stored(bench)

    assert run(bench).status is CommandStatus.DONE
    assert b"PRIVATE KEY" in kept.read_bytes()
    assert list((tmp_path / "private").iterdir()) == []


def test_a_hook_can_be_run_for_what_is_here_already(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    certificate = stored(bench, keystore_type="JKS", common_name="app.nordhafen.example")
    hook = hooked()
    assert runs(bench) == []

    for _ in range(2):
        with bench.database.transaction() as db:
            found = db.get_one(Certificate, certificate.id)
            run_hook(db, hook, found, requested_by=Identity("os:ida"))
        go_on(bench, 1)

    assert [each.status for each in runs(bench)] == [CommandStatus.DONE] * 2
    assert "keystore.jks" in shown(tmp_path, "app.nordhafen.example")
    with bench.database.transaction() as db:
        found = db.get_one(Certificate, certificate.id)
        found.key_id = None  # as after an import
        run_hook(db, hook, found, requested_by=Identity("os:ida"))
    go_on(bench, 1)
    public = ["certificate.pem", "chain.pem", "fullchain.pem"]
    assert sorted(shown(tmp_path, "app.nordhafen.example")) == public
