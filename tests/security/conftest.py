"""Fixtures of the security tests: how careless a user is."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Run a test as a careless user: what is made may be changed by everybody."""
    before = os.umask(0)
    yield
    os.umask(before)
