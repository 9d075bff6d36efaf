"""Checks of what is delivered: deploy hooks, webhooks, notices and dead letters."""

from shlex import quote

from certline.cli import context
from certline.cli.checks.result import Finding

# Workers take a due run within seconds: older ones mean that no worker runs them.
BACKLOG_SECONDS = 60


def check_hooks() -> Finding:
    """Check that deploy hooks run and succeed."""
    from certline.models.certificates.deploy_hook import hook_backlog, hooks, runs_that_matter
    from certline.models.commands.command import OPEN

    with context.database().transaction() as db:
        count, troubled = len(hooks(db)), runs_that_matter(db)
        waiting = hook_backlog(db)
    if troubled:
        over = sum(run.status not in OPEN for run in troubled)
        said = f"{len(troubled) - over} failed and retried automatically, {over} given up"
        return Finding("hooks", False, said, "certline hook runs --failed")
    if waiting > BACKLOG_SECONDS:
        said = f"the oldest due run has waited for {waiting:.0f} s"
        advice = (
            "no worker runs them: certline run worker --queues hook, on the machine they are for"
        )
        return Finding("hooks", False, said, advice)
    return Finding("hooks", True, f"{count}, none failing" if count else "there are none")


def check_webhooks() -> Finding:
    """Check that no delivery is parked and no webhook disabled."""
    from certline.models import WebhookStatus
    from certline.models.webhook import deliveries_parked, webhooks

    with context.database().transaction() as db:
        hooks, parked = webhooks(db), deliveries_parked(db)
    if parked:
        advice = "certline webhook deliveries --status review"
        return Finding("webhooks", False, f"{parked} events could not be delivered", advice)
    off = [hook.id for hook in hooks if hook.status is WebhookStatus.DISABLED]
    if off:
        advice = f"certline webhook enable {off[0]}, or remove it"
        return Finding("webhooks", False, f"disabled: {', '.join(off)}", advice)
    return Finding("webhooks", True, f"{len(hooks)}, none in trouble")


def check_notices() -> Finding:
    """Check that each route of notices works; warn if nobody is told anything."""
    from certline.models.notices.notice import notices_parked
    from certline.models.notices.route import routes

    with context.database().transaction() as db:
        found, parked = routes(db), notices_parked(db)
    if parked:
        said = f"{parked} notices could not be sent"
        return Finding("notices", False, said, "certline notify list, then: certline notify retry")
    failing = [route for route in found if route.failures]
    if failing:
        said = "; ".join(f"{route.name}: {route.last_error}" for route in failing)
        advice = f"certline notify test {quote(failing[0].name)}"
        return Finding("notices", False, f"not told at present: {said}", advice)
    if not found:
        said = "warning: nobody is told anything, unless an alert of your monitoring does"
        return Finding("notices", True, said, "certline notify add --help (docs/notices.md)")
    return Finding("notices", True, f"{len(found)} routes, none in trouble")


def check_senders() -> Finding:
    """Check that each system that sends commands is known; warn of the legacy sender."""
    from certline.models import SenderKind
    from certline.models.commands.admission import LEGACY
    from certline.models.senders.sender import senders

    with context.database().transaction() as db:
        found = senders(db)
    if any(sender.kind is SenderKind.LEGACY for sender in found):
        others = len(found) - 1
        whom = "every RabbitMQ user without a sender of its own" if others else "everybody"
        said = (
            f"warning: the sender {LEGACY} lets {whom} that may write to the exchange certline.commands "
            "send every command, about everything"
        )
        advice = (
            "certline sender add, for each system; then certline sender remove legacy "
            "(docs/commands-in.md)"
        )
        return Finding("senders", True, said, advice)
    names = ", ".join(sender.name for sender in found)
    said = names or "there are none: no other system may send commands"
    return Finding("senders", True, said)


def check_dead_letters() -> Finding:
    """Check that no dead letter waits for a decision."""
    from certline.models.commands.dead_letter import dead_letters_waiting

    with context.database().transaction() as db:
        count = dead_letters_waiting(db)
    if count:
        said = f"{count} wait for a decision"
        return Finding("dead letters", False, said, "certline dead-letter list")
    return Finding("dead letters", True, "none waiting")
