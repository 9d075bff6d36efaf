"""The row about the running parts, the age of the figures, and the audit log."""

from tools.dashboard.panels import (
    GREEN,
    HALF,
    QUARTER,
    RED,
    THIRD,
    YELLOW,
    graph,
    stat,
    steps,
    table,
    words,
)
from tools.dashboard.queries import INSTALLATION, Query, figure, grown, or_else, series

TARGETS = f'up{{job=~"certline.*", {INSTALLATION}}}'

PARTS = (
    stat(
        "Targets down",
        "Processes that Prometheus does not reach.",
        Query(or_else(f"count({TARGETS} == 0)", 0)),
        width=QUARTER,
    ),
    stat(
        "Killed or hanging",
        "Processes that stopped showing that they are alive: `certline doctor` names them.",
        Query(figure("certline_parts_stale")),
        thresholds=steps((1, YELLOW)),
        width=QUARTER,
    ),
    stat(
        "Age of the figures",
        "How old the producer's figures are; all panels but those of calls, steps and messages need them.",
        Query(f"min ({series('certline_figures_age_seconds')})"),
        unit="s",
        thresholds=steps((60, YELLOW), (120, RED)),
        width=QUARTER,
    ),
    stat(
        "Audit log",
        "Whether the hash chain of the audit log holds: `certline audit verify`.",
        Query(figure("certline_audit_broken")),
        mappings=words(_0=("whole", GREEN), _1=("broken", RED)),
        width=QUARTER,
    ),
    stat(
        "Recovery",
        "Whether nothing is ordered, because the database was restored: `certline recover --status`.",
        Query(figure("certline_recovering")),
        mappings=words(_0=("none", GREEN), _1=("recovering", RED)),
        width=QUARTER,
    ),
    graph(
        "Running processes",
        "Processes of each part that show that they are alive.",
        Query(figure("certline_parts_running", by="part"), "{{part}}"),
    ),
    graph(
        "Audit log: entries",
        "The number of the last entry. It only ever grows: one that falls was cut off.",
        Query(figure("certline_audit_sequence"), "last entry"),
        width=THIRD,
    ),
    graph(
        "Schedules fired",
        "Firings in each hour, by schedule.",
        Query(grown("certline_schedule_fired_total", "1h", by="schedule"), "{{schedule}}"),
        width=THIRD,
    ),
    table(
        "Targets",
        "What Prometheus scrapes.",
        Query(TARGETS),
        hidden=(),
        names={
            "job": "Job",
            "instance": "Instance",
            "installation": "Installation",
            "Value": "State",
        },
        mappings={"State": words(_0=("down", RED), _1=("up", GREEN))},
        width=HALF,
    ),
    table(
        "Versions",
        "The version that each process runs. More than one: an update was not finished.",
        Query(f"count by (part, version) ({series('certline_build_info')})"),
        hidden=(),
        names={"part": "Part", "version": "Version", "Value": "Targets"},
        width=HALF,
    ),
)
