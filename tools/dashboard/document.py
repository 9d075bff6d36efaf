"""The dashboard as a document: its rows one below the other, and what they have in common."""

import json
from pathlib import Path
from typing import Any

from tools.dashboard.license import LICENSE
from tools.dashboard.overview import OVERVIEW
from tools.dashboard.panels import RED, SOURCE, Panel
from tools.dashboard.parts import PARTS
from tools.dashboard.queues import QUEUES
from tools.dashboard.renewals import RENEWALS
from tools.dashboard.scm import SCM

FILE = Path(__file__).parents[2] / "deploy" / "grafana" / "certline.json"
ROWS: dict[str, tuple[Panel, ...]] = {
    "Overview": OVERVIEW,
    "Renewals": RENEWALS,
    "SCM": SCM,
    "Queues": QUEUES,
    "Licence": LICENSE,
    "Parts and audit log": PARTS,
}
COLUMNS = 24
ALERTS = 'ALERTS{alertname=~"Certline.*", alertstate="firing", installation=~"$installation"}'


def document() -> dict[str, Any]:
    """Return the dashboard as Grafana's JSON."""
    return {
        "uid": "certline",
        "title": "certline",
        "description": "The production line for TLS certificates: docs/monitoring.md. Made by `make dashboard`.",
        "tags": ["certline"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source(), _installation()]},
        "annotations": {"list": [_alerts()]},
        "links": [],
        "panels": _placed(),
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")


def _placed() -> list[Panel]:
    """Return all panels, numbered, each row below the one before and filled from the left."""
    placed: list[Panel] = []
    top = 0

    def place(panel: Panel, left: int) -> None:
        grid = panel["gridPos"] | {"x": left, "y": top}
        placed.append(panel | {"id": len(placed) + 1, "gridPos": grid})

    for title, panels in ROWS.items():
        place(_row(title), 0)
        top += 1
        left, tallest = 0, 0
        for panel in panels:
            if left + panel["gridPos"]["w"] > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place(panel, left)
            left += panel["gridPos"]["w"]
            tallest = max(tallest, panel["gridPos"]["h"])
        top += tallest
    return placed


def _row(title: str) -> Panel:
    grid = {"w": COLUMNS, "h": 1}
    return {"type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
    }


def _installation() -> dict[str, Any]:
    """Return the variable of the installation. Targets need not have the label: "All" matches those without."""
    return {
        "name": "installation",
        "label": "Installation",
        "type": "query",
        "datasource": SOURCE,
        "definition": "label_values(certline_build_info, installation)",
        "query": {"query": "label_values(certline_build_info, installation)", "refId": "A"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": False,
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
        "hide": 0,
    }


def _alerts() -> dict[str, Any]:
    """Return the annotation that marks in all panels when an alert fired."""
    return {
        "name": "Alerts",
        "enable": True,
        "iconColor": RED,
        "datasource": SOURCE,
        "expr": ALERTS,
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}}",
        "step": "60s",
    }
