"""Tests of whom a board lets look, by its address."""

from pathlib import Path

import pytest

from certline.board.access.policy import OpenBoardError, access_policy
from certline.board.access.users_file import UsersFile, UsersFileError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_log_in(host: str) -> None:
    assert access_policy(host).is_open


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "line.example", ""])  # noqa: S104
def test_another_address_without_a_log_in_is_refused_with_what_to_do(host: str) -> None:
    with pytest.raises(OpenBoardError) as refusal:
        access_policy(host)

    for word in ("CERTLINE_BOARD_USERS_FILE", "certline board user add", "--trust-header"):
        assert word in str(refusal.value)


def test_users_or_a_proxy_allow_another_address(tmp_path: Path) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("anna", "correct horse")

    assert not access_policy("0.0.0.0", users).is_open  # noqa: S104
    assert not access_policy("0.0.0.0", None, "X-Forwarded-User", ["10.0.0.7"]).is_open  # noqa: S104


@pytest.mark.parametrize(
    ("header", "networks", "why"),
    [
        ("X-Forwarded-User", [], "needs --trust-from"),
        (None, ["10.0.0.7"], "the proxy logs nobody in"),
        ("X-Forwarded-User", ["0.0.0.0/0"], "every address"),
        ("X-Forwarded-User", ["::/0"], "every address"),
        ("X-Forwarded-User", ["proxy"], "no address or network"),
        ("X Forwarded", ["10.0.0.7"], "cannot be the name of a header"),
    ],
)
def test_a_proxy_that_would_be_anybody_is_refused(
    header: str | None, networks: list[str], why: str
) -> None:
    with pytest.raises(OpenBoardError, match=why):
        access_policy("192.0.2.1", None, header, networks)


def test_a_proxy_that_logs_nobody_in_does_not_open_the_board_of_this_machine() -> None:
    with pytest.raises(OpenBoardError, match="certline board user add"):
        access_policy("127.0.0.1", None, None, ["127.0.0.1"])


def test_a_proxy_that_logs_nobody_in_may_stand_in_front_of_users(tmp_path: Path) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("anna", "correct horse")

    access = access_policy("0.0.0.0", users, None, ["10.0.0.0/8"])  # noqa: S104

    assert not access.is_open
    assert [access.is_proxy(peer) for peer in ("10.1.2.3", "192.0.2.7")] == [True, False]
    users.remove("anna")
    with pytest.raises(OpenBoardError, match="has no users"):
        access_policy("0.0.0.0", users, None, ["10.0.0.0/8"])  # noqa: S104


def test_a_file_without_users_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.touch(mode=0o600)

    with pytest.raises(OpenBoardError, match="has no users"):
        access_policy("127.0.0.1", UsersFile(path))


def test_a_file_that_others_can_change_or_read_is_refused(tmp_path: Path) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("anna", "correct horse")

    for mode in (0o666, 0o640):
        users.path.chmod(mode)
        with pytest.raises(UsersFileError, match="other users"):
            UsersFile(users.path).users()


def test_the_file_holds_hashes_and_is_its_owners_only(tmp_path: Path) -> None:
    users = UsersFile(tmp_path / "users")

    assert users.add("anna", "correct horse")
    assert not users.add("anna", "battery staple")
    assert users.add("ben", "correct horse")

    text = users.path.read_text()
    assert users.path.stat().st_mode & 0o777 == 0o600
    assert "correct" not in text
    assert text.count("$argon2id$") == 2
    assert [users.is_right("anna", word) for word in ("battery staple", "correct horse")] == [
        True,
        False,
    ]
    assert users.remove("anna")
    assert not users.is_right("anna", "battery staple")
    assert [each.name for each in tmp_path.iterdir()] == ["users"]


@pytest.mark.parametrize(
    ("name", "password"),
    [("an:na", "correct horse"), ("", "correct horse"), ("anna\n", "correct horse"), ("anna", "x")],
)
def test_a_name_or_password_that_cannot_be_is_refused(
    tmp_path: Path, name: str, password: str
) -> None:
    with pytest.raises(UsersFileError):
        UsersFile(tmp_path / "users").add(name, password)


def test_a_line_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.touch(mode=0o600)
    path.write_text("# users\nanna:secret\n")

    with pytest.raises(UsersFileError, match="line 2") as fault:
        UsersFile(path).users()
    assert "secret" not in str(fault.value)
