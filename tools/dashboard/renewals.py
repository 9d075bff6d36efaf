"""The row about renewals: what was done, what is due, and what ends without one."""

from tools.dashboard.panels import (
    GREEN,
    HALF,
    QUARTER,
    RED,
    THIRD,
    YELLOW,
    bars,
    graph,
    stat,
    steps,
    words,
)
from tools.dashboard.queries import Query, figure, or_else, quantile, series

SOONEST = f"min ({series('certline_certificate_unattended_end_timestamp_seconds')}) * 1000"
RUNS_AGE = "certline_schedule_good_run_age_seconds"

RENEWALS = (
    stat(
        "Due, nothing done",
        "Selected certificates whose renewal time has come with nothing done. The daily run takes them; what "
        "remains was held: `certline auto-renew audit`.",
        Query(figure("certline_renewals_due")),
        thresholds=steps((1, YELLOW)),
        width=QUARTER,
    ),
    stat(
        "Soonest end without renewal",
        "When the first certificate ends about which nothing is done.",
        Query(or_else(SOONEST, 0)),
        unit="dateTimeFromNow",
        thresholds=steps((1, RED)),
        mappings=words(_0=("none", GREEN)),
        width=QUARTER,
    ),
    stat(
        "End within 3 days, nothing under way",
        "Whatever uses them fails when they end. `certline doctor` lists them, with the reason.",
        Query(figure("certline_certificates_unattended", 'within_days="3"')),
        width=QUARTER,
    ),
    stat(
        "Domains validated too briefly",
        "Domains whose validation ends before a renewal: validate them in SCM, then `certline sync domains`.",
        Query(figure("certline_domain_validations_too_short")),
        width=QUARTER,
    ),
    bars(
        "Renewals of the last 24 hours",
        "Renewals that were requested, by what became of them so far.",
        Query(figure("certline_renewals_day", by="outcome"), "{{outcome}}"),
    ),
    bars(
        "Last run of auto-renewal",
        "What it decided about each certificate that was due, and why. `certline auto-renew audit` names them.",
        Query(
            figure("certline_auto_renew_last_run", by="decision, reason"),
            "{{decision}} {{reason}}",
        ),
    ),
    bars(
        "Certificates by days left",
        "Active certificates by the days until they end. `certline auto-renew plan` has the days ahead.",
        Query(figure("certline_certificate_days_left_bucket", by="le"), "{{le}}", buckets=True),
    ),
    bars(
        "Certificates with nothing under way",
        "Certificates that end within so many days without a renewal that is ordered or planned.",
        Query(
            f"sort_desc({figure('certline_certificates_unattended', by='within_days')})",
            "within {{within_days}} days",
        ),
        thresholds=steps((1, YELLOW)),
    ),
    bars(
        "Domain validations by days left",
        "Validated domains by the days until their validation ends.",
        Query(
            figure("certline_domain_validation_days_left_bucket", by="le"), "{{le}}", buckets=True
        ),
    ),
    bars(
        "Schedules: last good run",
        "How long ago each schedule's job ran well. `certline schedule list` has the next time of each.",
        Query(figure(RUNS_AGE, by="schedule"), "{{schedule}}"),
        unit="s",
    ),
    graph(
        "Renewals under way and due",
        "Selected certificates that are due with nothing done, and orders that have not ended.",
        Query(figure("certline_renewals_due"), "due, nothing done"),
        Query(figure("certline_renewals_day", 'outcome="under_way"'), "under way"),
        width=HALF,
    ),
    graph(
        "From accepted to stored",
        "How long an order takes from its request until its certificate is stored, by kind: half "
        "of them, and nine of ten, take no longer.",
        Query(
            quantile(0.5, "certline_order_stored_seconds", by="kind", within="1h"), "{{kind}}, half"
        ),
        Query(
            quantile(0.9, "certline_order_stored_seconds", by="kind", within="1h"),
            "{{kind}}, nine of ten",
        ),
        unit="s",
        width=THIRD,
    ),
    graph(
        "Oldest order by status",
        "Age of the oldest order in each status that should move on.",
        Query(figure("certline_order_oldest_seconds", by="status"), "{{status}}"),
        unit="s",
        width=THIRD,
    ),
    graph(
        "Orders by status",
        "Orders that have not ended.",
        Query(
            figure(
                "certline_orders",
                'status=~"placed|sending|pending|issued|held|review"',
                by="status",
            ),
            "{{status}}",
        ),
        stacked=True,
        width=THIRD,
    ),
)
