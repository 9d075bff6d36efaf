"""Test of what is said where the source of the last release is missing, as in a shallow clone."""

from dataclasses import replace

import pytest

from tests.support.last_release import ELSEWHERE, NoReleaseError, last_release


def test_a_clone_without_the_last_release_says_how_to_get_it() -> None:
    unknown = replace(last_release(), commit="0" * 40)

    with pytest.raises(NoReleaseError) as raised:
        unknown.archive()

    said = str(raised.value)
    assert f"the last release, {unknown.version} (commit {unknown.commit})" in said
    assert "git fetch --unshallow" in said
    assert ELSEWHERE in said
