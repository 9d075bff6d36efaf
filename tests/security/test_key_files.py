"""What another user of the machine tries with the files that hold keys."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from certline.models.file_rights import UnsafeFileError, make_home, rights_of
from certline.models.settings import Settings, settings
from certline.models.vault import open_vault
from tests.integration.cli import conftest as cli

typist = cli.typist
Typist = cli.Typist


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
    open_vault(Settings(database_url="postgresql://x/x", secret_key_file=file))


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
    monkeypatch.delenv("CERTLINE_SECRET_KEY")
    monkeypatch.setenv("CERTLINE_SECRET_KEY_FILE", str(key_file))
    settings.cache_clear()
    key_file.chmod(0o666)

    assert f"chmod 600 {key_file}" in typist.types("keys", "status", code=1)
    assert f"chmod 600 {key_file}" in typist.types("doctor", code=1)
