"""`certline doctor`: checks of everything certline depends on, with advice for each fault."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE, Fault
from certline.cli.explain import explain
from certline.cli.operations import checks
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, leave, say


@click.command(cls=CliCommand)
def doctor() -> None:
    """Check the settings, servers, accounts and queues that certline depends on.

    Exits 1 for a fault, 6 for a server that does not answer.
    """
    found = list(examine())
    faults = [finding for finding in found if not finding.ok]
    document = {"ok": not faults, "checks": [_document(finding) for finding in found]}
    answer(document, lambda: _show(found))
    # The highest code wins: a missing server (6) often explains the other faults (1).
    leave(max((finding.code for finding in faults), default=DONE))


def examine() -> Iterator[checks.Finding]:
    """Yield the result of each check; checks that depend on a failed one are skipped."""
    checked = _try("settings", lambda: checks.check_settings(context.settings()))
    yield checked
    if not checked.ok:
        return
    yield _try("secret key", checks.check_secret_key)
    if context.settings().rabbitmq_url is None:
        yield checks.Finding("RabbitMQ", True, "not configured: all parts run in `certline up`")
    else:
        yield _try("RabbitMQ", checks.check_rabbitmq)
    for name, check in (("Postgres", checks.check_postgres), ("tables", checks.check_tables)):
        checked = _try(name, check)
        yield checked
        if not checked.ok:
            return
    for name, check in (
        ("stored secrets", checks.check_stored_secrets),
        ("accounts", checks.check_accounts),
        ("SCM", checks.check_scm),
        ("licence", checks.check_licence),
        ("outbox", checks.check_outbox),
        ("commands", checks.check_commands),
        ("orders", checks.check_orders),
        ("hooks", checks.check_hooks),
        ("dead letters", checks.check_dead_letters),
        ("webhooks", checks.check_webhooks),
        ("auto-renewal", checks.check_auto_renewal),
    ):
        yield _try(name, check)


def _try(name: str, check: Callable[[], checks.Finding]) -> checks.Finding:
    try:
        return check()
    except Exception as error:
        fault = error if isinstance(error, Fault) else explain(error)
        if fault is None:
            raise
        said = "; ".join(dict.fromkeys([fault.message, *fault.problems]))
        return checks.Finding(name, False, said, fault.hint or None, code=fault.code)


def _document(finding: checks.Finding) -> dict[str, object]:
    return {name: value for name, value in asdict(finding).items() if name != "code"}


def _show(found: list[checks.Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    for finding in found:
        say(f"{'ok   ' if finding.ok else 'FAULT'}  {finding.name:{width}}  {finding.text}")
        if finding.advice:
            say(f"{'':{width + 9}}→ {finding.advice}")
