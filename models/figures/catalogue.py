"""Catalogue of the figures of the whole installation: the name of each metric, its labels and what it means."""

from dataclasses import dataclass

# Labels and their values → the figure; for a histogram `le` → how many are at most that, and `sum`.
Labels = dict[str, str]
Reading = tuple[Labels, float]
# The name of a metric → its readings.
Readings = dict[str, list[Reading]]

# Upper bounds in days, for what ends on a day.
DAYS = (0, 1, 3, 7, 14, 30, 60, 90)


@dataclass(frozen=True)
class Figure:
    """A gauge, or with `is_histogram` a histogram over DAYS. `help`: what it means, without a full stop."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    is_histogram: bool = False


FIGURES = (
    Figure("certline_orders", "Orders by status", ("status",)),
    Figure(
        "certline_order_oldest_seconds",
        "Seconds since the last change of the order that has rested longest in a status; 0 if none",
        ("status",),
    ),
    Figure("certline_commands", "Commands by status", ("status",)),
    Figure(
        "certline_queue_oldest_seconds",
        "Seconds for which the oldest due command of a queue has waited for a worker; 0 if none waits",
        ("queue",),
    ),
    Figure("certline_outbox_due", "Messages that are due and not sent"),
    Figure("certline_outbox_oldest_seconds", "Seconds for which the oldest due message has waited"),
    Figure("certline_outbox_parked", "Messages that RabbitMQ has refused again and again"),
    Figure("certline_dead_letters", "Dead letters that wait for a decision"),
    Figure("certline_webhook_deliveries_parked", "Webhook deliveries that wait for a decision"),
    Figure(
        "certline_webhooks_failing", "Webhooks whose last delivery failed, or that are disabled"
    ),
    Figure("certline_notices_parked", "Notices for people that could not be sent for a day"),
    Figure("certline_notice_routes_failing", "Routes of notices whose last message was not taken"),
    Figure("certline_hooks_failing", "Deploy hooks that fail and are tried again"),
    Figure("certline_hooks_failed", "Deploy hooks that have failed for good"),
    Figure("certline_license_capacity", "Lines that may be managed"),
    Figure("certline_license_used", "Lines in use"),
    Figure("certline_license_held", "Issued orders that wait for a free line"),
    Figure(
        "certline_license_days_until_full",
        "Days until no line is left at the recent rate of new orders; missing if that never happens",
    ),
    Figure(
        "certline_renewals_due",
        "Selected certificates whose planned time of renewal has come with nothing under way",
    ),
    Figure(
        "certline_renewals_day",
        "Renewals of the last 24 hours by what became of them: orders that were placed (stored, under_way, held, "
        "review, rejected and not ordered again), and decisions of auto-renewal that placed none (refused, "
        "postponed, failed)",
        ("outcome",),
    ),
    Figure(
        "certline_auto_renew_last_run",
        "Decisions of the last run of auto-renewal by reason",
        ("decision", "reason"),
    ),
    Figure(
        "certline_schedule_good_run_age_seconds",
        "Seconds since the work of a schedule was last done: sync by the active account that was synced longest "
        "ago, auto-renew by the last run that ended, all others by their last firing",
        ("schedule",),
    ),
    Figure(
        "certline_certificate_days_left",
        "Days until active certificates end",
        is_histogram=True,
    ),
    Figure(
        "certline_certificates_unattended",
        "Certificates that end within so many days with nothing under way",
        ("within_days",),
    ),
    Figure(
        "certline_certificates_unattended_late",
        "Certificates in the last fifth of their lifetime with nothing under way",
    ),
    Figure(
        "certline_certificate_unattended_end_timestamp_seconds",
        "When the first certificate ends with nothing under way (seconds since 1970); missing if there is none",
    ),
    Figure(
        "certline_domain_validation_days_left",
        "Days until the validations of domains end",
        is_histogram=True,
    ),
    Figure(
        "certline_domain_validations_too_short",
        "Domains whose validation ends before a renewal of the next 7 days that needs it",
    ),
    Figure(
        "certline_domain_validations_open",
        "Validations of domains under way, by what is done next",
        ("stage",),
    ),
    Figure("certline_account_suspended", "1 if an account is suspended, else 0", ("account",)),
    Figure(
        "certline_breaker_open",
        "1 if calls to this SCM are paused, because it fails, else 0",
        ("scm",),
    ),
    Figure("certline_parts_running", "Processes that run, by part", ("part",)),
    Figure("certline_parts_stale", "Processes that ended without a word, or are stuck"),
    Figure(
        "certline_audit_sequence",
        "Entries of the audit log. It only ever grows: if it shrinks, the log was cut",
    ),
    Figure(
        "certline_recovering",
        "1 while nothing is ordered, because the database was restored: certline recover --status",
    ),
    Figure(
        "certline_audit_broken",
        "1 if the hash chain of the audit log was found broken: certline audit verify",
    ),
)
BY_NAME = {figure.name: figure for figure in FIGURES}


def buckets(counts: dict[int, int], total: int, days: float) -> list[Reading]:
    """Return the readings of a histogram: `counts` of each of DAYS, all of them, and the sum of their days."""
    readings: list[Reading] = [({"le": str(bound)}, counts.get(bound, 0)) for bound in DAYS]
    return [*readings, ({"le": "+Inf"}, total), ({"le": "sum"}, days)]


def reading(found: Readings, name: str, **labels: str) -> float:
    """Return one figure. Raises KeyError if there is none with exactly these labels."""
    for given, value in found.get(name, []):
        if given == labels:
            return value
    raise KeyError(f"{name}{labels or ''}")
