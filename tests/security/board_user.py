"""A user of the board in the tests of who may look at it."""

from pathlib import Path

from certline.board.access.users_file import UsersFile

PASSWORD = "correct horse battery"


def a_users_file(folder: Path) -> UsersFile:
    """Return a users file in a folder, with the user `anna`."""
    file = UsersFile(folder / "users")
    file.add("anna", PASSWORD)
    return file
