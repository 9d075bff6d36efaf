"""The row about SCM: whether it responds, how fast, and how close we are to its limits."""

from tools.dashboard.panels import GREEN, HALF, RED, YELLOW, graph, states, steps, words
from tools.dashboard.queries import Query, figure, or_zero, quantile, rate

CALLS = "certline_scm_call_seconds"
# The colours of outcomes, wherever they are stacked.
OUTCOMES = {
    "ok": GREEN,
    "refused": "blue",
    "throttled": YELLOW,
    "login_refused": "dark-red",
    "unavailable": RED,
    "unknown": "orange",
    "not_sent": "purple",
    "garbled": "super-light-red",
    "other": "gray",
}

SCM = (
    graph(
        "Calls by outcome",
        "Calls to SCM in a second. `refused`: SCM said no, with a reason. `unknown`: perhaps carried out. "
        "`not_sent`: certainly not. `unavailable`: 5xx.",
        Query(rate(f"{CALLS}_count", by="outcome"), "{{outcome}}"),
        unit="cps",
        stacked=True,
        colours=OUTCOMES,
    ),
    graph(
        "Calls by operation",
        "Calls to SCM in a second, by what they ask for.",
        Query(rate(f"{CALLS}_count", by="operation"), "{{operation}}"),
        unit="cps",
        stacked=True,
    ),
    graph(
        "Duration of a call",
        "Half of all calls, nine of ten, and 99 of 100, take no longer.",
        Query(quantile(0.5, CALLS), "half"),
        Query(quantile(0.9, CALLS), "nine of ten"),
        Query(quantile(0.99, CALLS), "99 of 100"),
        unit="s",
        thresholds=steps((10, RED)),
    ),
    graph(
        "Duration by operation",
        "Nine of ten calls of each operation take no longer. Reports take minutes: SCM makes them while we wait.",
        Query(quantile(0.9, CALLS, by="operation"), "{{operation}}"),
        unit="s",
    ),
    graph(
        "Waits for the rate limit",
        "How long nine of ten calls waited for their slot: reads (CERTLINE_RATE_READ), orders "
        "(CERTLINE_RATE_ORDER). At 2 s a command goes back to its row.",
        Query(quantile(0.9, "certline_scm_wait_seconds", by="kind"), "{{kind}}"),
        unit="s",
        thresholds=steps((2, YELLOW)),
    ),
    graph(
        "Refusals and throttles",
        "Calls in a second that SCM refused or throttled. One refused login suspends the account.",
        Query(
            rate(f"{CALLS}_count", 'outcome=~"refused|throttled|login_refused"', by="outcome")
            + " or vector(0)",
            "{{outcome}}",
        ),
        unit="cps",
        colours=OUTCOMES,
    ),
    states(
        "Breaker",
        "When SCM was not called because it failed.",
        Query(or_zero(figure("certline_breaker_open", by="scm")), "SCM {{scm}}"),
        mappings=words(_0=("works", GREEN), _1=("failing", RED)),
        width=HALF,
    ),
    states(
        "Accounts",
        "When an account was suspended because SCM refused its login.",
        Query(figure("certline_account_suspended", by="account"), "{{account}}"),
        mappings=words(_0=("active", GREEN), _1=("suspended", RED)),
        width=HALF,
    ),
)
