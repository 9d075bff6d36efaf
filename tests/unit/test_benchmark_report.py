"""Tests of the benchmarks' report: what failed or was missed is said, and costs the other figures nothing."""

from benchmarks.__main__ import measured
from benchmarks.report import Measured, missed, page
from benchmarks.targets import TARGETS

STORM = {
    "certline_rate": 40.0,
    "celery_rate": 20.0,
    "rate_ratio": 2.0,
    "certline_programs_ms": 60.0,
    "celery_programs_ms": 30.0,
    "programs_ms_ratio": 2.0,
}


def rows(found: dict[str, Measured]) -> dict[str, str]:
    """Return the page's row of each target, by what is measured."""
    cells = [line.split(" | ") for line in page(found) if line.startswith("| ")]
    return {row[1]: " | ".join(row[3:]).removesuffix(" |") for row in cells if len(row) == 6}


def test_a_benchmark_that_crashes_is_named_and_the_others_keep_their_figures() -> None:
    crashed = measured("no_such_benchmark")
    assert crashed.failure == "it ended with exit code 1"

    found = rows({"wake_to_call": crashed, "renewal_storm": Measured(STORM, 1.0)})

    assert found[TARGETS[0].what] == "40.0 (20.0), ratio 2.00 | ≥ 1.0 times Celery's | yes"
    (wake,) = (target for target in TARGETS if target.benchmark == "wake_to_call")
    assert found[wake.what].startswith("failed | ")


def test_what_was_missed_or_not_measured_is_listed() -> None:
    found = list(missed({"renewal_storm": Measured(STORM, 1.0)}))

    assert not any("renewals a second" in each for each in found)
    assert any(each.startswith("1. CPU of workers") for each in found)
    assert any("p99 while idle" in each and "not measured" in each for each in found)


def test_a_figure_that_is_missing_is_no_target_reached() -> None:
    found = rows({"renewal_storm": Measured({}, 1.0)})

    assert found[TARGETS[0].what].startswith("no figure")
    assert found[TARGETS[0].what].endswith("| no")
