"""Our packages have plain names; nothing installed may answer to them before us."""

from importlib import import_module, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ["cli", "producers", "workers", "models", "simulator"]


@pytest.mark.parametrize("name", OURS)
def test_a_package_is_ours(name: str) -> None:
    package = import_module(name)

    assert Path(str(package.__file__)).is_relative_to(ROOT)
    assert set(metadata.packages_distributions().get(name, [])) <= {"certline"}


def test_the_tests_are_ours() -> None:
    assert Path(str(import_module("tests").__file__)) == ROOT / "tests" / "__init__.py"
