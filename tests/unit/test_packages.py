"""Tests that certline is one package for Python, and the top-level folders are not packages of their own."""

import subprocess
import sys
import zipfile
from importlib import import_module, metadata
from pathlib import Path

import pytest

from certline.models.settings import Settings
from certline.producers.processes import worker_arguments

ROOT = Path(__file__).parents[2]
FOLDERS = ("board", "cli", "models", "producers", "simulator", "workers")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_sub_package_is_the_folder_of_the_top_level(name: str) -> None:
    package = import_module(f"certline.{name}")

    assert Path(str(package.__file__)).resolve() == ROOT / name / "__init__.py"
    assert (ROOT / "certline" / name).is_symlink()


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_of_ours_was_imported_under_a_bare_name(name: str) -> None:
    for loaded in list(sys.modules):
        assert loaded != name
        assert not loaded.startswith(f"{name}.")


def test_one_distribution_owns_the_package() -> None:
    assert set(metadata.packages_distributions().get("certline", [])) <= {"certline"}


def test_the_tests_are_ours() -> None:
    assert Path(str(import_module("tests").__file__)) == ROOT / "tests" / "__init__.py"


def test_a_wheel_puts_one_name_into_site_packages(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    words += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(words, check=True, timeout=120)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"certline"}
    for folder in FOLDERS:
        files = {
            file.relative_to(ROOT).as_posix()
            for file in (ROOT / folder).rglob("*")
            if file.is_file() and file.suffix != ".pyc"
        }
        assert {f"certline/{file}" for file in files} <= set(names)


def test_workers_are_not_told_to_search_the_current_folder() -> None:
    arguments = worker_arguments(Settings(), None, processes=1, threads=4)

    assert arguments.path == []
