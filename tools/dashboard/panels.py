"""Kinds of panels, as Grafana's JSON. The grid is 24 wide; the document gives each its place and number."""

from collections.abc import Sequence
from typing import Any

from tools.dashboard.queries import Query

Panel = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, RED = "green", "yellow", "red"
# Widths of a row's panels.
EIGHTH, QUARTER, THIRD, HALF = 3, 6, 8, 12


def steps(*later: tuple[float, str], base: str = GREEN) -> Panel:
    """Return thresholds: the base colour, then from each value on another."""
    known = [{"color": base, "value": None}]
    return {
        "mode": "absolute",
        "steps": known + [{"color": colour, "value": value} for value, colour in later],
    }


def words(**texts: tuple[str, str]) -> list[Panel]:
    """Return a mapping of values to words with colours: `_0=("reachable", GREEN)` for the value 0."""
    options = {
        name.removeprefix("_"): {"index": index, "text": text, "color": colour}
        for index, (name, (text, colour)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    thresholds: Panel | None = None,
    mappings: Sequence[Panel] = (),
    width: int = EIGHTH,
    height: int = 4,
    names: bool = False,
) -> Panel:
    """Return a panel with one large number, coloured by thresholds; with `names` one for each series."""
    made = _panel("stat", (title, description), queries, (width, height), instant=True)
    made["fieldConfig"]["defaults"] |= {
        "unit": unit,
        "decimals": 0,
        "thresholds": thresholds or steps((1, RED)),
        "mappings": list(mappings),
        "color": {"mode": "thresholds"},
    }
    made["options"] = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if names else "value",
    }
    return made


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    stacked: bool = False,
    thresholds: Panel | None = None,
    colours: dict[str, str] | None = None,
    width: int = THIRD,
    height: int = 8,
) -> Panel:
    """Return a panel of lines over time; `thresholds` are drawn, `colours` are those of series by their names."""
    made = _panel("timeseries", (title, description), queries, (width, height))
    made["fieldConfig"]["defaults"] |= {
        "unit": unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "custom": {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if thresholds else "off"},
        },
        "thresholds": thresholds or steps(),
    }
    made["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in (colours or {}).items()
    ]
    made["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def bars(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    thresholds: Panel | None = None,
    width: int = QUARTER,
    height: int = 8,
) -> Panel:
    """Return a panel with a bar for each series, or for each bucket of a histogram, as of now."""
    made = _panel("bargauge", (title, description), queries, (width, height), instant=True)
    made["fieldConfig"]["defaults"] |= {
        "unit": unit,
        "min": 0,
        "decimals": 0,
        "thresholds": thresholds or steps(base="blue"),
        "color": {"mode": "thresholds"},
    }
    made["options"] = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return made


def states(
    title: str,
    description: str,
    *queries: Query,
    mappings: Sequence[Panel],
    width: int = THIRD,
    height: int = 6,
) -> Panel:
    """Return a panel that shows over time in which state each series was."""
    made = _panel("state-timeline", (title, description), queries, (width, height))
    made["fieldConfig"]["defaults"] |= {
        "mappings": list(mappings),
        "color": {"mode": "thresholds"},
        "thresholds": steps((1, RED)),
        "custom": {"fillOpacity": 80, "lineWidth": 0},
    }
    made["options"] = {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    }
    return made


def table(
    title: str,
    description: str,
    query: Query,
    *,
    hidden: Sequence[str],
    names: dict[str, str],
    mappings: dict[str, Sequence[Panel]] | None = None,
    width: int = HALF,
    height: int = 8,
) -> Panel:
    """Return a panel whose rows are series and whose columns are their labels, but for the hidden ones."""
    made = _panel("table", (title, description), [query], (width, height), instant=True)
    made["targets"][0]["format"] = "table"
    made["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [
                {"id": "mappings", "value": list(mapping)},
                {"id": "custom.cellOptions", "value": {"type": "color-background"}},
            ],
        }
        for name, mapping in (mappings or {}).items()
    ]
    made["transformations"] = [
        {
            "id": "organize",
            "options": {
                "excludeByName": dict.fromkeys(("Time", "__name__", *hidden), True),
                "indexByName": {name: index for index, name in enumerate(names)},
                "renameByName": names,
            },
        }
    ]
    made["options"] = {"showHeader": True, "cellHeight": "sm"}
    return made


def _panel(
    kind: str,
    texts: tuple[str, str],
    queries: Sequence[Query],
    size: tuple[int, int],
    *,
    instant: bool = False,
) -> Panel:
    title, description = texts
    width, height = size
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": query.expression,
                "legendFormat": query.legend or "__auto",
                "instant": instant,
                "range": not instant,
                "format": "heatmap" if query.buckets else "time_series",
            }
            for index, query in enumerate(queries)
        ],
        "fieldConfig": {"defaults": {"noValue": "none"}, "overrides": []},
    }
