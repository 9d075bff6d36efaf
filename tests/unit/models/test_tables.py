"""Tests that the tables are found though a module loads only those that it needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from certline import models
from certline.models import PLACES, every_table

MODELS = Path(__file__).parents[3] / "models"


def test_every_module_that_declares_a_table_is_listed() -> None:
    declaring = {
        ".".join(path.relative_to(MODELS).with_suffix("").parts)
        for path in MODELS.rglob("*.py")
        # Not those of views, which nothing writes to.
        if re.search(r"\bBase\):", path.read_text())
    }

    assert declaring
    assert declaring <= set(PLACES)


def test_each_name_of_the_package_is_found_in_its_module() -> None:
    names = {name for names in PLACES.values() for name in names}

    assert names | {"every_table", "load_tables"} == set(models.__all__)
    assert all(getattr(models, name).__name__ == name for name in names)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = models.Nothing


def test_all_tables_are_known_to_a_process_that_has_imported_none() -> None:
    script = "from certline.models import every_table; print(*(t.name for t in every_table()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == [table.name for table in every_table()]
    assert len(done.stdout.split()) > 30


def test_rows_are_written_by_a_process_that_has_imported_one_table() -> None:
    """Foreign keys of that table lead to others, which SQLAlchemy has to know to sort what it writes."""
    script = """
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
import certline.models.database.session
from certline.models.certificates.line import Line
with Session(create_engine("sqlite://")) as db:
    db.add(Line(account_id=1, common_name="a.example"))
    try:
        db.flush()
    except Exception as error:
        print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    # SQLite has no such table; without the others, it would be NoReferencedTableError before that.
    assert done.stdout.split() == ["OperationalError"]
