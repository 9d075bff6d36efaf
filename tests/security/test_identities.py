"""Who did it is known, not claimed: what an attacker tries in order to act under another name."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from certline.models import AuditEntry, Command, Database
from certline.models.audit.chain import breaks_in, head_of
from certline.models.audit.identity import (
    LONGEST_CLAIM,
    SWEEP,
    Identity,
    in_user_namespace,
    name_at_scm,
)
from certline.models.audit.log import record
from certline.models.commands.admission import admit
from certline.models.commands.envelope import read_command
from certline.models.database.migrate import _config, upgrade
from certline.models.settings import settings
from certline.models.vault import Vault
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture

OWN = f"os:{pwd.getpwuid(os.getuid()).pw_name}"
SHOP = "https://shop.example/orders"
# What a process says of itself, as an approval sees it.
SAY_WHO = """
from certline.models.audit.identity import Identity
who = Identity.of_operating_system("ceo")
print(who, who.is_somebody)
"""
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def whole(database: Database) -> bool:
    return database.run(lambda db: list(breaks_in(db))) == []


@pytest.mark.parametrize("options", [["--map-user=101"], ["--map-root-user"]], ids=" ".join)
def test_a_user_chooses_a_uid_in_a_namespace_of_his_own(options: list[str]) -> None:
    program = [sys.executable, "-P", "-c", SAY_WHO]
    said = subprocess.run(
        ["unshare", "--user", *options, *program],
        env={**os.environ, "SUDO_UID": "101", "CERTLINE_WHO": "ceo"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert said.stdout.strip() == "unknown (claimed: ceo) False"


def test_the_uids_of_the_machine_are_told_from_those_of_a_namespace(tmp_path: Path) -> None:
    machine, other = tmp_path / "machine", tmp_path / "other"
    machine.write_text("         0          0 4294967295\n")
    other.write_text("         0       1000          1\n")

    assert not in_user_namespace(machine)
    assert in_user_namespace(other)
    assert not in_user_namespace(tmp_path / "absent")


@pytest.mark.parametrize("variable", ["LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"])
def test_no_variable_of_the_environment_makes_a_user_the_ceo(
    typist: Typist,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "ceo")
    typist.types("license", "set", "7")

    (entry,) = typist.json("audit", "list", "--what", "license.*")

    assert entry["who"] == OWN
    assert entry["claimed"] in {"ceo", None}
    assert typist.json("audit", "list", "--who", "os:ceo") == []


def test_a_claimed_name_is_shown_as_a_claim_in_table_json_and_csv(
    typist: Typist,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTLINE_WHO", "os:root")
    settings.cache_clear()
    typist.types("license", "set", "7")

    (entry,) = typist.json("audit", "list", "--what", "license.*")
    assert (entry["who"], entry["claimed"]) == (OWN, "os:root")
    assert f"{OWN} (claimed: os:root)" in typist.types("audit", "list")
    csv = typist.types("audit", "list", "--csv")
    assert "who,claimed" in csv
    assert f",{OWN},os:root," in csv


def test_a_user_who_sets_the_variables_of_sudo_stays_who_he_is() -> None:
    told = {"SUDO_UID": "0", "SUDO_USER": "root", "LOGNAME": "nobody"}

    found = Identity.of_operating_system(environment=told, uid=NOBODY.pw_uid)

    assert found == Identity("os:nobody", "root")


def test_root_behind_sudo_is_the_user_who_called_it() -> None:
    told = {
        "SUDO_UID": str(NOBODY.pw_uid),
        "SUDO_USER": "nobody",
        "LOGNAME": "root",
        "USER": "root",
    }

    assert Identity.of_operating_system(environment=told, uid=0) == Identity("os:nobody")


def test_a_name_that_does_not_belong_to_the_uid_of_sudo_is_a_claim() -> None:
    told = {"SUDO_UID": str(NOBODY.pw_uid), "SUDO_USER": "anna"}

    assert Identity.of_operating_system(environment=told, uid=0) == Identity("os:nobody", "anna")


@pytest.mark.parametrize("uid", ["", "anna", "-1", "9" * 40, "٣", "1 2", "0"])
def test_root_with_nonsense_in_sudo_uid_is_root(uid: str) -> None:
    assert Identity.of_operating_system(environment={"SUDO_UID": uid}, uid=0).name == "os:root"


def test_a_uid_without_a_name_is_named_by_its_number() -> None:
    unnamed = next(uid for uid in range(50_000, 60_000) if not _named(uid))

    assert Identity.of_operating_system(environment={}, uid=unnamed).name == f"os:uid={unnamed}"


def _named(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


@pytest.mark.parametrize("source", ["amelie", "certline", "certline:sweep", "os:root", "amqp:bank"])
@pytest.mark.parametrize("user", ["shop", None])
def test_a_message_is_its_users_whatever_its_source_says(
    database: Database, source: str, user: str | None
) -> None:
    vault = Vault("A" * 43 + "=")
    event = {
        "specversion": "1.0",
        "id": "5b0f2a8e-58ba-4a52-8d1c-35f3f3b8f0a1",
        "source": source,
        "type": "certline.command.sync.v1",
        "data": {},
    }
    with database.transaction() as db:
        admit(db, vault, read_command(event), user_id=user, sender="shop")
        # What its step will write.
        asked = db.scalars(select(Command)).one()
        record(db, "sync.requested", "demo", who=asked.requester)

    with database.transaction() as db:
        (entry,) = db.scalars(select(AuditEntry))
        assert (entry.who, entry.claimed) == (f"amqp:{user}" if user else "unknown", source)


def test_a_requester_at_scm_is_no_user_of_ours() -> None:
    assert name_at_scm("anna@nordhafen.example") == "anna@nordhafen.example"
    assert not Identity.of_row(name_at_scm("os:root")).is_somebody
    assert not Identity.of_row(name_at_scm("certline:sweep")).name.startswith("certline:")


def test_a_claim_moves_no_cursor_turns_no_text_round_and_has_an_end() -> None:
    claim = "an\x1b[2Jna\u202egnp\n\u2066" + "x" * 5_000

    found = Identity.of_message("shop", claim).claimed or ""

    assert found.isprintable()
    assert found.startswith("an[2Jnagnpx")
    assert len(found) == LONGEST_CLAIM


@pytest.mark.parametrize(
    "who",
    [Identity("os:anna"), Identity("os:anna", "kim"), Identity("os:a", "b (claimed: os:root)")],
)
def test_what_a_row_says_is_read_back_as_it_was(who: Identity) -> None:
    assert Identity.of_row(str(who)) == who


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET claimed = 'kim' WHERE claimed = 'anna'",
        "UPDATE event SET claimed = NULL WHERE claimed = 'anna'",
        "UPDATE event SET claimed = 'kim' WHERE claimed IS NULL",
        "UPDATE event SET claimed = '' WHERE claimed IS NULL",
        "UPDATE event SET who = 'os:anna', claimed = NULL WHERE claimed = 'anna'",
    ],
)
def test_a_claim_can_be_neither_changed_nor_added_nor_removed_unnoticed(
    database: Database, change: str
) -> None:
    with database.transaction() as db:
        record(db, "license.set", "license", who=Identity("os:certline", "anna"))
        record(db, "schedule.sweep", "sweep", who=SWEEP)
    assert whole(database)

    with database.transaction() as db:
        db.execute(text("SET LOCAL session_replication_role = replica"))
        db.execute(text(change))

    assert not whole(database)


def test_entries_of_before_the_namespaces_keep_their_text_and_their_hashes(
    database: Database,
) -> None:
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0018")
        for who in ("amelie", "certline"):
            connection.execute(
                text("INSERT INTO event (type, subject, who, data) VALUES ('a', 'b', :who, '{}')"),
                {"who": who},
            )
    hashes = text("SELECT hash FROM event_link ORDER BY seq")
    before = database.run(lambda db: db.scalars(hashes).all())

    upgrade(database.url)
    with database.transaction() as db:
        record(db, "license.set", "license", who=Identity("os:certline", "anna"))

    assert whole(database)
    after = database.run(lambda db: db.scalars(hashes).all())
    assert list(after[:2]) == list(before)
    assert database.run(head_of).seq == 3
    with database.transaction() as db:
        found = db.execute(select(AuditEntry.who, AuditEntry.claimed).order_by(AuditEntry.id))
        assert list(chain.from_iterable(found)) == [
            *("amelie", None),
            *("certline", None),
            *("os:certline", "anna"),
        ]
