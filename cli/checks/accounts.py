"""Checks of the accounts, of SCM, and of the licence."""

from shlex import quote

from certline.cli import context
from certline.cli.checks.result import Finding
from certline.models.states import Queue

# The queue of imports, and a number of records to show how long one takes.
BULK, RECORDS = Queue.BULK.value, 10_000


def check_accounts() -> Finding:
    """Check that there is an account, and that each is active and synced."""
    from certline.models import AccountStatus
    from certline.models.accounts.account import accounts
    from certline.workers.scm.login import unencrypted

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
    plain = [row.name for row in found if unencrypted(row.url, row.token_url)]
    if plain:
        said = f"{len(found)}, all synced; the login goes over http://, readable on the way: {', '.join(plain)}"
        advice = (
            f"certline account remove {quote(plain[0])}, and add it again with its https:// URL"
        )
        return Finding("accounts", True, said, advice)
    return Finding("accounts", True, f"{len(found)}, all synced")


def check_scm() -> Finding:
    """Check that SCM is being called."""
    from certline.models.accounts.account import accounts
    from certline.models.accounts.breaker import open_breakers
    from certline.models.accounts.rate_limit import held_off

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


def check_pace() -> Finding:
    """Tell how many calls to SCM an account can make, and what bounds them. It is never a fault."""
    from certline.models.heartbeat import running_parts
    from certline.producers.capacity import bound_of

    with context.database().transaction() as db:
        threads = [row.threads for row in running_parts(db) if BULK in row.queues]
    known = [number for number in threads if number]  # not those of an older version
    bound = bound_of(context.settings().rate_read, known)
    return Finding("pace", True, bound.import_text(RECORDS))


def check_licence() -> Finding:
    """Check that no order is held for want of a free line, and that the licence does not end soon."""
    from certline.models.certificates.license import license_use
    from certline.models.certificates.license_expiry import WARN_DAYS

    with context.database().transaction() as db:
        use = license_use(db)
    said = f"{use.used} of {use.capacity} in use, {use.held} orders held"
    renew = f"certline license set {use.capacity} --until DATE"
    if use.ended:
        said += f"; it ended on {use.valid_until}, and new lines are held"
        return Finding("licence", False, said, renew)
    if use.days_left is not None and use.days_left <= WARN_DAYS:
        said += f"; it ends on {use.valid_until}, in {use.days_left} days"
        if not use.held:
            return Finding("licence", True, said, renew)
    if use.held:
        return Finding("licence", False, said, "certline license set N")
    return Finding("licence", True, said)
