"""The row that says in one look whether something is wrong, and what."""

from tools.dashboard.panels import (
    GREEN,
    HALF,
    QUARTER,
    RED,
    YELLOW,
    graph,
    stat,
    steps,
    table,
    words,
)
from tools.dashboard.queries import (
    INSTALLATION,
    Query,
    figure,
    grown,
    or_else,
    or_zero,
    rate,
    total,
)

FIRING = f'ALERTS{{alertname=~"Certline.*", alertstate="firing", {INSTALLATION}}}'
UP = figure("certline_parts_running", 'part="up"')
FAILED = 'outcome=~"unavailable|unknown|not_sent|garbled|other"'
NEEDED = 'part=~"worker|relay|ingress|producer"'
CALLS = "certline_scm_call_seconds_count"
WAITING = " + ".join(
    [
        figure("certline_orders", 'status="review"'),
        figure("certline_dead_letters"),
        figure("certline_webhook_deliveries_parked"),
        figure("certline_hooks_failed"),
    ]
)

OVERVIEW = (
    stat(
        "Alerts",
        "Alerts that fire now. Each says what it means and what to type: the table below, or docs/operations.md.",
        Query(f"count({FIRING}) or vector(0)"),
    ),
    stat(
        "SCM",
        "`failing`: SCM did not respond five times in a row and is not called; certline tries again by itself.",
        Query(or_zero(figure("certline_breaker_open"))),
        mappings=words(_0=("works", GREEN), _1=("failing", RED)),
    ),
    stat(
        "Suspended accounts",
        "Accounts whose login SCM refused: no call is made for them. `certline account verify NAME` lifts it.",
        Query(total("certline_account_suspended", by="account")),
    ),
    stat(
        "Certificates without renewal",
        "Certificates in the last fifth of their life with nothing under way. `certline doctor` lists them.",
        Query(figure("certline_certificates_unattended_late")),
    ),
    stat(
        "Waits for a person",
        "Orders in review, dead letters, parked deliveries and deploy hooks that were given up: certline "
        "does nothing about them until somebody decides. `certline doctor` says what to type.",
        Query(WAITING),
        thresholds=steps((1, YELLOW), (10, RED)),
    ),
    stat(
        "Oldest due command",
        "How long the oldest command that is due has waited for a worker, over all queues.",
        Query(figure("certline_queue_oldest_seconds")),
        unit="s",
        thresholds=steps((60, YELLOW), (300, RED)),
    ),
    stat(
        "Licence used",
        "Lines in use, of those that the licence allows.",
        Query(f"{figure('certline_license_used')} / {figure('certline_license_capacity')}"),
        unit="percentunit",
        thresholds=steps((0.9, YELLOW), (1, RED)),
    ),
    stat(
        "Last good auto-renewal",
        "How long ago auto-renewal ran well the last time. It runs once a day.",
        Query(figure("certline_schedule_good_run_age_seconds", 'schedule="auto-renew"')),
        unit="s",
        thresholds=steps((25 * 3600, YELLOW), (26 * 3600, RED)),
    ),
    stat(
        "Running parts",
        "Processes of each part that show that they are alive. `certline up` counts for every part.",
        Query(f"{figure('certline_parts_running', NEEDED, by='part')} + scalar({UP})", "{{part}}"),
        thresholds=steps((1, GREEN), base=RED),
        width=HALF,
        names=True,
    ),
    stat(
        "Orders that move",
        "Orders that have not ended, by status. `review` waits for a person, `held` for a line of the licence.",
        Query(
            figure(
                "certline_orders",
                'status=~"placed|sending|pending|issued|held|review"',
                by="status",
            ),
            "{{status}}",
        ),
        thresholds=steps(base="blue"),
        width=HALF,
        names=True,
    ),
    table(
        "What is wrong now",
        "The alerts that fire. The heading in docs/operations.md has the alert's name.",
        Query(FIRING),
        hidden=("alertstate", "Value", "job", "instance"),
        names={"severity": "Severity", "alertname": "Alert"},
        mappings={
            "Severity": words(critical=("critical", RED), warning=("warning", YELLOW)),
        },
        width=HALF,
    ),
    graph(
        "Certificates stored",
        "Orders that ended with a stored certificate, in each hour, by kind.",
        Query(grown("certline_order_stored_seconds_count", "1h", by="kind"), "{{kind}}"),
        stacked=True,
        width=QUARTER,
    ),
    graph(
        "Calls to SCM that failed",
        "Share of the calls without a usable response: time-outs, closed connections, 5xx, unreadable texts.",
        Query(
            or_else(
                f"{rate(CALLS, FAILED)} / {rate(CALLS)}",
                0,
            ),
            "failed",
        ),
        unit="percentunit",
        thresholds=steps((0.1, RED)),
        width=QUARTER,
    ),
)
