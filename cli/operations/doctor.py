"""`certline doctor`: checks of everything certline depends on, with advice for each fault."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import click

from certline.cli import context
from certline.cli.checks import (
    accounts,
    board,
    deliveries,
    domains,
    keys,
    parts,
    renewals,
    servers,
    work,
)
from certline.cli.checks.result import Finding
from certline.cli.errors import DONE, Fault
from certline.cli.explain import explain
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.layout import wrapped
from certline.cli.ui.output import answer, console, leave, say

# Those that need Postgres, by name.
CHECKS: dict[str, Callable[[], Finding]] = {
    "recovery": servers.check_recovery,
    board.NAME: board.check_board_role,
    "stored secrets": keys.check_stored_secrets,
    "parts": parts.check_parts,
    "schedules": renewals.check_schedules,
    "accounts": accounts.check_accounts,
    "SCM": accounts.check_scm,
    "pace": accounts.check_pace,
    "licence": accounts.check_licence,
    "outbox": work.check_outbox,
    "commands": work.check_commands,
    "orders": work.check_orders,
    "hooks": deliveries.check_hooks,
    "senders": deliveries.check_senders,
    "dead letters": deliveries.check_dead_letters,
    "webhooks": deliveries.check_webhooks,
    "notices": deliveries.check_notices,
    "auto-renewal": renewals.check_auto_renewal,
    "certificates": renewals.check_certificates,
    "domains": domains.check_domains,
    "validations": domains.check_validations,
}


@click.command(cls=CliCommand)
def doctor() -> None:
    """Check the settings, servers, accounts and queues that certline depends on.

    It also checks the running parts, and names the certificates that end soon with nothing under way.
    Exits 1 for a fault, 6 for a server that does not answer.
    """
    found = list(examine())
    faults = [finding for finding in found if not finding.ok]
    document = {
        "ok": not faults,
        "checks": [_document(finding) for finding in found],
        "parts": parts.parts_document() if any(each.name == "parts" for each in found) else [],
    }
    answer(document, lambda: _show(found))
    # The highest code wins: a missing server (6) often explains the other faults (1).
    leave(max((finding.code for finding in faults), default=DONE))


def examine() -> Iterator[Finding]:
    """Yield the result of each check; checks that depend on a failed one are skipped."""
    checked = _try("settings", lambda: servers.check_settings(context.settings()))
    yield checked
    if not checked.ok:
        return
    has_key = _try("secret key", keys.check_secret_key)
    yield has_key
    if context.settings().rabbitmq_url is None:
        yield Finding("RabbitMQ", True, "not configured: all parts run in `certline up`")
    else:
        checked = _try("RabbitMQ", servers.check_rabbitmq)
        yield checked
        if checked.ok:
            yield _try("queues", servers.check_queues)
    for name, check in (("Postgres", servers.check_postgres), ("tables", servers.check_tables)):
        checked = _try(name, check)
        yield checked
        if not checked.ok:
            return
    for name, check in CHECKS.items():
        # Without a key there is nothing to compare, and that is said already.
        if has_key.ok or name != "stored secrets":
            yield _try(name, check)


def _try(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        fault = error if isinstance(error, Fault) else explain(error)
        if fault is None:
            raise
        said = "; ".join(dict.fromkeys([fault.message, *fault.problems]))
        return Finding(name, False, said, fault.hint or None, code=fault.code)


def _document(finding: Finding) -> dict[str, object]:
    return {name: value for name, value in asdict(finding).items() if name != "code"}


def _show(found: list[Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    for finding in found:
        mark = "ok   " if finding.ok else "FAULT"
        _paragraph(f"{mark}  {finding.name:{width}}  ", finding.text)
        for line in finding.details:
            _paragraph(" " * (width + 9), line)
        if finding.advice:
            _paragraph(" " * (width + 9) + "→ ", finding.advice)


def _paragraph(label: str, text: str) -> None:
    """Print a text beside its label, wrapped at blanks on a terminal and whole elsewhere."""
    screen = console()
    room = max(1, screen.width - len(label))
    first, *others = wrapped(text, room) if screen.is_terminal else [text]
    say(label + first)
    for line in others:
        say(" " * len(label) + line)
