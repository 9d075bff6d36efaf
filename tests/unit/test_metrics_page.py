"""Tests of docs/metrics.md: it is what the code has, and each metric is named as Prometheus wants it."""

import re

from certline.models.figures.catalogue import FIGURES
from tools.metrics.page import PAGE, described, names, page, process_metrics


def test_the_page_is_generated_from_this_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make metrics"


def test_each_metric_says_what_it_means_and_has_its_unit_in_its_name() -> None:
    helps = {figure.name: figure.help for figure in FIGURES}
    helps |= {
        described(metric).name: described(metric).documentation for metric in process_metrics()
    }

    for name, said in helps.items():
        assert re.fullmatch(r"certline_[a-z_]+", name)
        assert len(said) > 10, name
        if said.startswith("Seconds"):
            assert name.endswith("_seconds"), name
    assert len(helps) == len(FIGURES) + len(list(process_metrics()))


def test_the_other_pages_name_no_metric_that_there_is_not() -> None:
    known = names() | {name.rpartition("_")[0] for name in names()}
    for file in sorted(PAGE.parent.glob("*.md")):
        if file.name == "performance.md":
            continue
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"`(certline_[a-z_]+)(?:\{[^`]*\})?`", text):
            # Two roles of Postgres are named alike.
            assert name in known | {"certline_app", "certline_board"}, f"{file.name}: {name}"
