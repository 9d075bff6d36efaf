"""Tests of the alert rules: promtool runs their cases, and each says what it means and what to type."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.documents import (
    CASES,
    CONFIGURATION,
    ROOT,
    RULES,
    alerts,
    cases,
    catalogue,
    faults_of_commands,
    metrics_in,
    queries,
)
from tests.servers.prometheus import promtool

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
each_alert = pytest.mark.parametrize("name", alerts())


def expected(case: dict[str, Any]) -> list[set[str]]:
    """Return the names of the alerts that a case expects to fire, at each of its times."""
    return [
        {re.findall(r'alertname="(\w+)"', sample["labels"])[0] for sample in test["exp_samples"]}
        for test in case["promql_expr_test"]
    ]


def for_alert(name: str) -> list[set[str]]:
    """Return what the cases about an alert expect, at all their times."""
    return [names for case in cases() if case["name"].startswith(name) for names in expected(case)]


@pytest.mark.usefixtures("prometheus_programs")
def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    promtool("check", "config", CONFIGURATION)


@pytest.mark.usefixtures("prometheus_programs")
@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_an_alert_fires_in_its_case_and_at_no_other_time(file: Path) -> None:
    promtool("test", "rules", file)


@each_alert
def test_each_alert_has_a_case_in_which_it_fires_and_is_silent_just_below(name: str) -> None:
    found = for_alert(name)

    assert any(name in names for names in found)
    assert any(name not in names for names in found)


def test_every_metric_that_an_alert_or_a_panel_asks_for_is_one_of_certline() -> None:
    asked = "\n".join([rule["expr"] for rule in alerts().values()] + queries())

    assert metrics_in(asked) - catalogue() == set()


def test_no_alert_is_left_out_of_the_healthy_line() -> None:
    (healthy,) = (case for case in cases() if case["name"] == "a healthy line is silent")
    assert expected(healthy) == [set()] * 4
    there = metrics_in(str(healthy["input_series"]))

    assert metrics_in(str([rule["expr"] for rule in alerts().values()])) - there == set()


@each_alert
def test_each_alert_says_what_happened_what_it_means_and_what_to_type(name: str) -> None:
    rule = alerts()[name]
    texts = rule["annotations"]

    assert set(texts) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert len(texts["summary"]) < 120
    assert not texts["summary"].endswith(".")
    assert len(texts["description"]) > 100
    assert re.search(r"[Tt]ype `certline |`certline [^`]+`", texts["description"])
    assert texts["runbook"].startswith("docs/operations.md#certline")
    assert faults_of_commands(texts["description"]) == []


@each_alert
def test_the_figures_of_several_producers_are_not_added_up(name: str) -> None:
    expression = alerts()[name]["expr"]
    # Counters, histograms and the build are those of single processes.
    own = re.compile(r"\w+_(?:count|bucket|total)|certline_build_info")

    for figure in metrics_in(expression):
        if own.fullmatch(figure):
            continue
        assert re.search(
            rf"(?:max|min) by \([\w, ]+\) \((?:\w+\()?{figure}|absent\({figure}", expression
        ), figure


def test_the_page_lists_every_alert_with_its_severity_and_its_duration() -> None:
    rows = re.findall(r"^\| `(Certline\w+)` \| (\w+) \| .{20,} \| ([\w ]+) \|$", PAGE, re.MULTILINE)
    short = {"at once": None}

    listed = {
        name: (severity, short.get(wait, wait.replace(" min", "m").replace(" h", "h")))
        for name, severity, wait in rows
    }

    assert len(rows) == len(listed)
    assert listed == {
        name: (rule["labels"]["severity"], rule.get("for")) for name, rule in alerts().items()
    }


def test_an_unknown_command_in_a_text_is_found() -> None:
    assert (
        faults_of_commands("Type `certline doctor` or `certline order show {{ $labels.x }}`.") == []
    )
    assert faults_of_commands("Type `certline heal`, `certline order list --loud`.") == [
        "certline heal",
        "certline order list --loud",
    ]


def test_every_part_of_compose_is_scraped_and_its_rules_are_mounted() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load(CONFIGURATION.read_text("utf-8"))["scrape_configs"]
    }
    serving = {name for name, each in services.items() if ":9100/healthz" in str(each)}

    assert {f"certline-{name}" for name in serving} == jobs.keys() - {"prometheus"}
    for name in serving:
        (found,) = jobs[f"certline-{name}"]["dns_sd_configs"]
        assert (found["names"], found["port"]) == ([name], 9100)
    assert (
        f"./{RULES.parent.relative_to(ROOT)}:/etc/prometheus:ro"
        in services["prometheus"]["volumes"]
    )
