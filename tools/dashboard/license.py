"""The row about the licence: how many lines are used, and when the last one will be."""

from tools.dashboard.panels import GREEN, QUARTER, RED, YELLOW, graph, stat, steps, words
from tools.dashboard.queries import Query, figure, or_else

USED, CAPACITY = figure("certline_license_used"), figure("certline_license_capacity")

LICENSE = (
    stat(
        "Full in",
        "Days until the last line is used, at the pace of new orders in 30 days: `certline license show`.",
        Query(or_else(figure("certline_license_days_until_full"), -1)),
        unit="d",
        thresholds=steps((0, RED), (14, YELLOW), (60, GREEN)),
        mappings=words(**{"-1": ("never", GREEN)}),
        width=QUARTER,
    ),
    stat(
        "Free lines",
        "New certificates that can still be stored. Renewals need no line.",
        Query(f"{CAPACITY} - {USED}"),
        thresholds=steps((1, YELLOW), (20, GREEN), base=RED),
        width=QUARTER,
    ),
    stat(
        "Held",
        "Issued certificates that wait for a free line; they go on by themselves, the oldest first.",
        Query(figure("certline_license_held")),
        width=QUARTER,
    ),
    stat(
        "Used",
        "Lines in use, of those that the licence allows.",
        Query(f"{USED} / {CAPACITY}"),
        unit="percentunit",
        thresholds=steps((0.9, YELLOW), (1, RED)),
        width=QUARTER,
    ),
    graph(
        "Lines",
        "Lines in use, the licence's capacity, and certificates that wait for a line.",
        Query(USED, "used"),
        Query(CAPACITY, "capacity"),
        Query(figure("certline_license_held"), "held"),
        colours={"used": "blue", "capacity": GREEN, "held": RED},
        width=24,
    ),
)
