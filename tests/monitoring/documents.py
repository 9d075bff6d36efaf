"""The files of the monitoring, as the tests read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from certline.models.figures.catalogue import FIGURES
from certline.producers.installation_figures import AGE
from certline.workers.metrics.instruments import REGISTRY
from tests.unit.cli.tree import commands, found, words_of

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CONFIGURATION = ROOT / "deploy" / "prometheus" / "prometheus.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "certline.json"
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))
# What the names of series end with, by type.
ENDINGS = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def cases() -> Iterator[dict[str, Any]]:
    """Yield each test of the rules."""
    for file in CASES:
        yield from yaml.safe_load(file.read_text("utf-8"))["tests"]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    return dict(json.loads(DASHBOARD.read_text("utf-8")))


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard, without its headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Return every query of the dashboard: those of panels, variables and annotations."""
    whole = dashboard()
    found_queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    found_queries += [each["expr"] for each in whole["annotations"]["list"]]
    return found_queries


def catalogue() -> set[str]:
    """Return the names of all series that certline serves."""
    kinds = {figure.name: "histogram" if figure.is_histogram else "gauge" for figure in FIGURES}
    kinds |= {family.name: family.type for family in REGISTRY.collect()}
    kinds |= {AGE: "gauge", "certline_build_info": "gauge"}
    return {name + ending for name, kind in kinds.items() for ending in ENDINGS[kind]}


def metrics_in(text: str) -> set[str]:
    """Return the names of certline's metrics in a text."""
    return set(re.findall(r"\bcertline_[a-z0-9_]+\b", text))


def faults_of_commands(text: str) -> list[str]:
    """Return the commands in a text's inline code that there are not, or not with these options."""
    faults = []
    for span in re.findall(r"`(certline [^`]+)`", text):
        words = words_of(re.sub(r"\{\{[^}]*\}\}", "NAME", span))
        path, rest = found(words or [])
        command = commands().get(path)
        known = {name for option in (command.params if command else ()) for name in option.opts}
        options = {word for word in rest if word.startswith("--")}
        if command is None or path == "certline" or not options <= known:
            faults.append(span)
    return faults
