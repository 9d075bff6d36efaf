"""The row about queues: what waits, what is done, and what could not be delivered."""

from tools.dashboard.panels import GREEN, HALF, RED, YELLOW, bars, graph, stat, steps
from tools.dashboard.queries import Query, figure, quantile, rate

STEPS = {
    "done": GREEN,
    "later": YELLOW,
    "skipped": "blue",
    "suspended": "purple",
    "failed": "orange",
    "crashed": RED,
}

QUEUES = (
    stat(
        "Outbox: oldest",
        "How long the oldest message has waited for the relay. More than seconds: no relay, or no RabbitMQ.",
        Query(figure("certline_outbox_oldest_seconds")),
        unit="s",
        thresholds=steps((30, YELLOW), (120, RED)),
    ),
    stat(
        "Outbox: parked",
        "Messages that RabbitMQ refused again and again. The relay's log names them.",
        Query(figure("certline_outbox_parked")),
    ),
    stat(
        "Dead letters",
        "Messages that could not be accepted: `certline dead-letter list`.",
        Query(figure("certline_dead_letters")),
    ),
    stat(
        "Commands in review",
        "Commands that wait for a decision: `certline command list --status review`.",
        Query(figure("certline_commands", 'status="review"')),
    ),
    stat(
        "Hooks given up",
        "Deploy hooks that failed for good: a certificate is not on its server. `certline hook runs --failed`.",
        Query(figure("certline_hooks_failed")),
    ),
    stat(
        "Hooks failing",
        "Deploy hooks that failed and are tried again.",
        Query(figure("certline_hooks_failing")),
        thresholds=steps((1, YELLOW)),
    ),
    stat(
        "Webhooks failing, parked",
        "Webhooks that fail or are disabled, and events that are parked: `certline webhook deliveries`.",
        Query(figure("certline_webhooks_failing"), "failing"),
        Query(figure("certline_webhook_deliveries_parked"), "parked"),
        names=True,
    ),
    stat(
        "Notices failing, parked",
        "Ways of telling somebody that fail, and notices that nobody got: `certline notify list`.",
        Query(figure("certline_notice_routes_failing"), "failing"),
        Query(figure("certline_notices_parked"), "parked"),
        names=True,
    ),
    graph(
        "Oldest due command by queue",
        "How long the oldest command that is due has waited to be started.",
        Query(figure("certline_queue_oldest_seconds", by="queue"), "{{queue}}"),
        unit="s",
        thresholds=steps((300, RED)),
    ),
    graph(
        "From due to started",
        "Nine of ten commands are started within this time, by queue.",
        Query(quantile(0.9, "certline_command_start_seconds", by="queue"), "{{queue}}"),
        unit="s",
    ),
    graph(
        "Steps by outcome",
        "Steps in a second. `later`: tried again by itself. `crashed`: a fault, see the worker's log.",
        Query(rate("certline_step_seconds_count", by="outcome"), "{{outcome}}"),
        unit="cps",
        stacked=True,
        colours=STEPS,
    ),
    graph(
        "Duration of a step",
        "Nine of ten steps of each kind take no longer; most of it is SCM.",
        Query(quantile(0.9, "certline_step_seconds", by="step"), "{{step}}"),
        unit="s",
    ),
    graph(
        "Published by the relay",
        "Messages in a second: wake-ups for workers, events for other systems, and what RabbitMQ refused.",
        Query(rate("certline_relay_published_total", by="kind"), "{{kind}}"),
        Query(rate("certline_relay_refused_total"), "refused"),
        unit="cps",
    ),
    graph(
        "Messages of other systems",
        "Messages that the ingress took, in a second, by outcome.",
        Query(rate("certline_ingress_messages_total", by="outcome"), "{{outcome}}"),
        unit="cps",
        stacked=True,
    ),
    graph(
        "Outbox: due",
        "Messages that are due and not published.",
        Query(figure("certline_outbox_due"), "due"),
        width=HALF,
    ),
    bars(
        "Commands by status",
        "Commands that are stored; ended ones are kept for a time (docs/reliability.md).",
        Query(figure("certline_commands", by="status"), "{{status}}"),
        width=HALF,
    ),
)
