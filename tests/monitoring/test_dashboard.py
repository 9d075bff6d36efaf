"""Tests of the dashboard's file: fresh, readable, and with what Grafana needs to find it."""

from typing import Any

import pytest
import yaml

from tests.monitoring.documents import (
    DASHBOARD,
    PROVISIONING,
    ROOT,
    dashboard,
    faults_of_commands,
    panels,
)
from tools.dashboard.document import text

each_panel = pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])


def test_what_is_in_the_repository_is_what_make_dashboard_would_write() -> None:
    assert DASHBOARD.read_text("utf-8") == text(), f"{DASHBOARD.name} is stale: make dashboard"


def test_its_rows_are_those_that_an_operator_looks_for() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]

    assert rows == ["Overview", "Renewals", "SCM", "Queues", "Licence", "Parts and audit log"]


@each_panel
def test_each_panel_has_a_description_and_names_commands_that_there_are(
    panel: dict[str, Any],
) -> None:
    assert 3 <= len(panel["title"]) <= 45
    assert len(panel["description"]) >= 20
    assert panel["description"].endswith((".", ".`"))
    assert faults_of_commands(panel["description"]) == []


@each_panel
def test_each_panel_has_a_unit_and_asks_the_chosen_data_source_about_the_chosen_installation(
    panel: dict[str, Any],
) -> None:
    assert panel["type"] in ("table", "state-timeline") or panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert 'installation=~"$installation"' in target["expr"]


def test_no_two_panels_lie_on_each_other_and_each_has_a_number_of_its_own() -> None:
    found = dashboard()["panels"]
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in found)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in found}) == len(found)


def test_the_first_screen_says_what_is_wrong() -> None:
    first = [panel for panel in panels() if panel["gridPos"]["y"] < 9]

    assert len(first) >= 10
    for panel in first:
        assert panel["options"]["colorMode"] == "background"
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]


def test_grafana_finds_its_data_source_and_its_dashboard() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    (source,) = read("datasources")["datasources"]
    (provider,) = read("dashboards")["providers"]
    grafana = services["grafana"]

    assert source["type"] == "prometheus"
    assert source["isDefault"]
    assert source["url"] == "http://prometheus:9090"
    mounted = f"./{DASHBOARD.relative_to(ROOT)}:{provider['options']['path']}/{DASHBOARD.name}:ro"
    assert mounted in grafana["volumes"]
    assert f"./{PROVISIONING.relative_to(ROOT)}:/etc/grafana/provisioning:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"


def read(kind: str) -> dict[str, Any]:
    """Return what Grafana is provisioned with, of one kind."""
    return dict(yaml.safe_load((PROVISIONING / kind / "certline.yml").read_text("utf-8")))
