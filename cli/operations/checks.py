"""The checks of `certline doctor`: each returns a finding, with advice for a fault."""

from dataclasses import dataclass
from datetime import timedelta
from shlex import quote

from sqlalchemy import func, select, text

from certline.cli import context
from certline.cli.errors import FAILED
from certline.models import (
    AccountStatus,
    Command,
    CommandStatus,
    Order,
    OrderStatus,
    PrivateKey,
    WebhookStatus,
)
from certline.models.accounts.account import accounts
from certline.models.accounts.breaker import open_breakers
from certline.models.accounts.rate_limit import held_off
from certline.models.certificates.deploy_hook import hook_backlog, hooks, runs_that_matter
from certline.models.certificates.license import license_use
from certline.models.commands.command import OPEN
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.database.migrate import behind
from certline.models.metrics import outbox_backlog
from certline.models.renewals.runs import (
    Decision,
    counts_of,
    runs_since,
    seconds_since_good_run,
)
from certline.models.renewals.selection import auto_renew_settings
from certline.models.settings import Settings, unknown_variables, without_password
from certline.models.webhook import IS_DELIVERY, deliveries_parked, webhooks
from certline.producers.processes import grace, reach_rabbit

# A relay polls every quarter of a second: older rows mean that no relay is running.
BACKLOG_SECONDS = 60
# Auto-renewal runs daily; two hours of tolerance.
RUN_HOURS = 26


@dataclass(frozen=True)
class Finding:
    """The result of one check. `code`: the exit code if it failed."""

    name: str
    ok: bool
    text: str
    advice: str | None = None
    code: int = FAILED


def check_settings(settings: Settings) -> Finding:
    """Check that an unknown outcome rests for longer than sending an order may take."""
    where = f"embedded in {settings.home}" if settings.embedded else "your own servers"
    unknown = unknown_variables()
    if unknown:
        said = f"{where}; not a setting of certline: {', '.join(unknown)}"
        return Finding("settings", True, said, "unset it, or see docs/settings.md for its name")
    longest = grace(settings)
    if settings.settle_seconds < longest:
        short = f"CERTLINE_SETTLE_SECONDS={settings.settle_seconds} is too short for production"
        advice = f"sending may take {longest:.0f} s; an order looked up sooner may be sent twice"
        return Finding("settings", True, f"{where}; {short}", advice)
    return Finding("settings", True, where)


def check_secret_key() -> Finding:
    """Check that the secret key can be read."""
    context.vault()
    return Finding("secret key", True, "readable")


def check_rabbitmq() -> Finding:
    """Check that RabbitMQ answers."""
    settings = context.settings()
    reach_rabbit(settings)
    url = settings.rabbitmq_url.get_secret_value() if settings.rabbitmq_url else ""
    return Finding("RabbitMQ", True, ";".join(without_password(node) for node in url.split(";")))


def check_postgres() -> Finding:
    """Check that Postgres answers."""
    with context.database().transaction() as db:
        version = db.scalars(text("SHOW server_version")).one()
    return Finding("Postgres", True, f"{version} at {without_password(context.database().url)}")


def check_tables() -> Finding:
    """Check that the tables are those of this version."""
    if behind(context.database()):
        return Finding("tables", False, "not those of this version", "certline init")
    return Finding("tables", True, "those of this version")


def check_stored_secrets() -> Finding:
    """Check that the stored secrets can be decrypted."""
    with context.database().transaction() as db:
        row = next(iter(accounts(db)), None)
        key = db.scalar(select(PrivateKey).order_by(PrivateKey.created_at.desc()).limit(1))
    vault = context.vault()
    # One sample of each: the vault raises WrongSecretKeyError if the key is not theirs.
    for sealed in (row and row.secret_sealed, key and key.pem_sealed):
        if sealed:
            vault.open(sealed)
    return Finding("stored secrets", True, "decrypted with the secret key")


def check_accounts() -> Finding:
    """Check that there is an account, and that each is active and synced."""
    with context.database().transaction() as db:
        found = accounts(db)
    if not found:
        return Finding("accounts", False, "there are none", "certline account add --help")
    suspended = [row.name for row in found if row.status is AccountStatus.SUSPENDED]
    if suspended:
        advice = f"certline account verify {quote(suspended[0])}"
        return Finding("accounts", False, f"suspended: {', '.join(suspended)}", advice)
    fresh = [row.name for row in found if row.synced_at is None]
    if fresh:
        return Finding(
            "accounts", False, f"never synced: {', '.join(fresh)}", "certline sync --wait"
        )
    return Finding("accounts", True, f"{len(found)}, all synced")


def check_scm() -> Finding:
    """Check that SCM is being called."""
    with context.database().transaction() as db:
        troubled = open_breakers(db)
        busy = {row.name for row in accounts(db) if held_off(db, row.id)}
    if troubled:
        first = troubled[0]
        until = f"{first.open_until:%H:%M:%S} UTC" if first.open_until else "it answers"
        said = f"{first.url} is not called until {until}: {first.reason}"
        advice = "retried automatically; nothing is lost meanwhile. Is SCM under maintenance?"
        return Finding("SCM", False, said, advice)
    if busy:
        return Finding("SCM", True, f"throttles calls of {', '.join(sorted(busy))} at present")
    return Finding("SCM", True, "no problem known")


def check_licence() -> Finding:
    """Check that no order is held for want of a free line."""
    with context.database().transaction() as db:
        use = license_use(db)
    said = f"{use.used} of {use.capacity} in use, {use.held} orders held"
    if use.held:
        return Finding("licence", False, said, "certline license set N")
    return Finding("licence", True, said)


def check_outbox() -> Finding:
    """Check that the outbox is being published."""
    with context.database().transaction() as db:
        due, oldest, parked = outbox_backlog(db)
    said = f"{due} due" + (f", the oldest for {oldest:.0f} s" if due else "")
    if parked:
        return Finding("outbox", False, f"{said}; {parked} parked", "the relay's log says why")
    if oldest > BACKLOG_SECONDS:
        part = "certline up" if context.settings().rabbitmq_url is None else "certline run relay"
        return Finding("outbox", False, said, f"no relay is running: {part}")
    return Finding("outbox", True, said)


def check_commands() -> Finding:
    """Check that no command is in review."""
    with context.database().transaction() as db:
        count = select(func.count()).select_from(Command).where(~IS_DELIVERY)
        review = db.scalar(count.where(Command.status == CommandStatus.REVIEW)) or 0
        held = db.scalar(count.where(Command.status == CommandStatus.HELD)) or 0
    said = f"{review} in review, {held} held"
    if review:
        return Finding("commands", False, said, "certline command list --status review")
    return Finding("commands", True, said)


def check_orders() -> Finding:
    """Check that no unknown outcome is overdue."""
    settle = timedelta(seconds=context.settings().settle_seconds)
    with context.database().transaction() as db:
        resting = select(func.count()).where(
            Order.status == OrderStatus.SENDING, Order.sent_at < func.now() - settle
        )
        count = db.scalar(resting) or 0
    if count:
        said = f"{count} with an unknown outcome for longer than {settle.total_seconds():.0f} s"
        return Finding("orders", False, said, "certline order list --status sending")
    return Finding("orders", True, "none with an overdue unknown outcome")


def check_hooks() -> Finding:
    """Check that deploy hooks run and succeed."""
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


def check_dead_letters() -> Finding:
    """Check that no dead letter waits for a decision."""
    with context.database().transaction() as db:
        count = dead_letters_waiting(db)
    if count:
        said = f"{count} wait for a decision"
        return Finding("dead letters", False, said, "certline dead-letter list")
    return Finding("dead letters", True, "none waiting")


def check_webhooks() -> Finding:
    """Check that no delivery is parked and no webhook disabled."""
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


def check_auto_renewal() -> Finding:
    """Check that auto-renewal runs daily, if it is on."""
    with context.database().transaction() as db:
        is_on = bool(auto_renew_settings(db, enabled=True))
        seconds = seconds_since_good_run(db)
        last = next(iter(runs_since(db, None, limit=1)), None)
        refused = 0 if last is None else counts_of(db, [last.id])[last.id][Decision.REFUSED]
    if not is_on:
        return Finding("auto-renewal", True, "off", "certline auto-renew --help")
    hours = (seconds or 0) / 3600
    said = f"last successful run {hours:.0f} h ago, {refused} refused by the last run"
    if hours > RUN_HOURS:
        return Finding("auto-renewal", False, said, "is a producer running? certline run producer")
    advice = "certline auto-renew audit --decision refused" if refused else None
    return Finding("auto-renewal", True, said, advice)
