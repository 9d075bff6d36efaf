"""Addresses of the pages, in one place."""

from urllib.parse import quote, urlencode

TODAY = "/"
CALENDAR = "/calendar"
ORDERS = "/orders"
CERTIFICATES = "/certificates"
RENEWALS = "/renewals"
COMMANDS = "/commands"
ORGANIZATIONS = "/organizations"
DOMAINS = "/domains"
PROFILES = "/profiles"
ACCOUNTS = "/accounts"
HOOKS = "/hooks"
DEAD_LETTERS = "/dead-letters"
AUDIT = "/audit"
RUNS = "/renewals/runs"
DECISIONS = "/renewals/decisions"
BATCHES = "/renewals/batches"
HOOK_RUNS = "/hook-runs"
WEBHOOKS = "/webhooks"
DELIVERIES = "/deliveries"
SCHEDULES = "/schedules"


def below(place: str, *parts: object) -> str:
    """Return the address of something below a place, such as one order."""
    return "/".join([place, *(quote(str(part), safe="") for part in parts)])


def narrowed(place: str, **filters: object) -> str:
    """Return the address of a list with filters; those that are None do not apply."""
    given = {name: value for name, value in filters.items() if value is not None}
    return f"{place}?{urlencode(given, doseq=True)}" if given else place


def is_own(path: str) -> bool:
    """Return True for a path of this board: what begins with two slashes leads to another host."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def order(order_id: str) -> str:
    """Return the address of an order."""
    return below(ORDERS, order_id)


def certificate(certificate_id: str) -> str:
    """Return the address of a certificate."""
    return below(CERTIFICATES, certificate_id)


def command(command_id: str) -> str:
    """Return the address of a command."""
    return below(COMMANDS, command_id)


def account(name: str) -> str:
    """Return the address of an account."""
    return below(ACCOUNTS, name)


def organization(account_id: int, scm_id: int) -> str:
    """Return the address of an organisation or department, by account and SCM's id."""
    return below(ORGANIZATIONS, account_id, scm_id)


def domain(account_id: int, scm_id: int) -> str:
    """Return the address of a domain, by account and SCM's id."""
    return below(DOMAINS, account_id, scm_id)


def profile(account_id: int, scm_id: int) -> str:
    """Return the address of a profile, by account and SCM's id."""
    return below(PROFILES, account_id, scm_id)


def dead_letter(letter_id: str) -> str:
    """Return the address of a dead letter."""
    return below(DEAD_LETTERS, letter_id)


def batch(batch_id: str) -> str:
    """Return the address of a batch of renewals."""
    return below(RENEWALS, "batches", batch_id)


def run(run_id: object) -> str:
    """Return the address of a run of auto-renewal."""
    return below(RENEWALS, "runs", run_id)


def hook(name: str) -> str:
    """Return the address of a deploy hook."""
    return below(HOOKS, name)


def webhook(webhook_id: str) -> str:
    """Return the address of a webhook."""
    return below(WEBHOOKS, webhook_id)


def audit_entry(entry_id: int) -> str:
    """Return the address of an audit entry."""
    return below(AUDIT, entry_id)


def audit_of(subject: str) -> str:
    """Return the address of the audit entries about a subject."""
    return narrowed(AUDIT, subject=subject)
