"""Tests of `certline doctor` on settings alone."""

import pytest

from certline.cli.checks.servers import check_settings
from certline.models.settings import Settings


@pytest.mark.parametrize(("settle", "short"), [(900, False), (250, False), (249, True), (0, True)])
def test_an_unknown_outcome_must_rest_longer_than_the_longest_order(
    settle: int, short: bool
) -> None:
    finding = check_settings(Settings(settle_seconds=settle))

    assert ("too short for production" in finding.text) is short
    assert ("may be sent twice" in (finding.advice or "")) is short
