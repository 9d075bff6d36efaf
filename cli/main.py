"""`certline`, the root command. Each noun has a module of its own, loaded on first use."""

import gc
import re
import sys
from contextlib import suppress

import click

from certline.cli import report, streams
from certline.cli.deferral import defer
from certline.cli.errors import FAILED
from certline.cli.ui.grammar import LazyGroup

# Name -> (module, summary). The summary repeats the first sentence of the command's docstring, so
# that `--help` need not import the module; a unit test compares the two.
PLACES = {
    "init": (
        "certline.cli.operations.init",
        "Prepare the database and, in embedded mode, the secret key; safe to repeat.",
    ),
    "doctor": (
        "certline.cli.operations.doctor",
        "Check the settings, servers, accounts and queues that certline depends on.",
    ),
    "account": (
        "certline.cli.scm.account",
        "Accounts: logins at SCM of MRAO or RAO administrators of the type API.",
    ),
    "sync": (
        "certline.cli.scm.sync",
        "Read organisations, domains and profiles (with custom fields) from SCM.",
    ),
    "import": (
        "certline.cli.scm.import_",
        "Import orders and certificates that SCM already holds; with --dry-run only report them.",
    ),
    "organization": (
        "certline.cli.scm.catalogue",
        "Organisations and departments, as last synced.",
    ),
    "domain": (
        "certline.cli.domains.domain",
        "Domains: their validation as last synced, and what renews it.",
    ),
    "profile": (
        "certline.cli.scm.catalogue",
        "Certificate profiles with their terms and key types, as last synced.",
    ),
    "order": (
        "certline.cli.orders.order",
        "Orders: place, list, poll, resolve, cancel and delete them.",
    ),
    "certificate": (
        "certline.cli.certificates.certificate",
        "Stored certificates: list, export, renew, reissue, revoke and delete them.",
    ),
    "auto-renew": (
        "certline.cli.renewals.auto_renew",
        "Automatic renewal: which certificates, when, and what was decided.",
    ),
    "renewal": (
        "certline.cli.renewals.renewal",
        "Batches of renewals: show their progress, pause, resume or cancel them.",
    ),
    "hook": (
        "certline.cli.integration.hook",
        "Deploy hooks: write files and run a command on the worker's machine for new certificates.",
    ),
    "license": (
        "certline.cli.operations.license",
        "The licence: how many lines (certificates with their successors) may be managed.",
    ),
    "sender": (
        "certline.cli.integration.sender",
        "Senders: other systems that may send commands through RabbitMQ, and which commands.",
    ),
    "command": (
        "certline.cli.integration.command",
        "Commands: what was requested of certline, and the outcome.",
    ),
    "approval": (
        "certline.cli.operations.approval",
        "Approvals: what needs a second person before it is done, because it cannot be undone.",
    ),
    "dead-letter": (
        "certline.cli.integration.dead_letter",
        "Messages that could not be accepted: inspect, replay or drop them.",
    ),
    "audit": (
        "certline.cli.operations.audit",
        "The audit log: who did what and when; append-only and hash-chained.",
    ),
    "keys": (
        "certline.cli.operations.keys",
        "The secret keys of this installation, and their rotation.",
    ),
    "seal": (
        "certline.cli.operations.seal",
        "Encrypt a password for use in a message, with the installation's public key.",
    ),
    "webhook": (
        "certline.cli.integration.webhook",
        "Webhooks: URLs that events are posted to, for systems without RabbitMQ.",
    ),
    "notify": (
        "certline.cli.integration.notify",
        "Notices: people are told by mail, chat or pager what happened, and what waits for them.",
    ),
    "dns": (
        "certline.cli.integration.dns",
        "Where the proofs of domains go: name servers, DNS providers, programs, web servers' folders.",
    ),
    "schedule": (
        "certline.cli.operations.schedule",
        "Schedules: list the periodic jobs, change when they run, or run one now.",
    ),
    "recover": (
        "certline.cli.operations.recover",
        "Compare SCM with a database that was restored; until that is done, nothing is ordered.",
    ),
    "top": (
        "certline.cli.operations.top",
        "Show what goes on and what waits for a person, on one screen that refreshes until q or Ctrl-C.",
    ),
    "run": (
        "certline.cli.operations.run",
        "Run parts of certline as separate processes, connected by RabbitMQ.",
    ),
    "up": (
        "certline.cli.operations.up",
        "Run all parts of certline in this process, without RabbitMQ, until Ctrl-C.",
    ),
    "board": (
        "certline.cli.operations.board",
        "Serve the board: the line in a browser, to look at.",
    ),
    "demo": (
        "certline.cli.operations.up",
        "Demonstrate a certificate's life cycle on this machine, with the simulator in place of SCM.",
    ),
    "simulator": (
        "certline.cli.operations.simulator",
        "Run a simulator of SCM, with its own CA, until Ctrl-C.",
    ),
    "completion": (
        "certline.cli.operations.completion",
        "Print the completion script for a shell.",
    ),
}

# The groups of the help page.
GROUPS = {
    "First steps": ("init", "doctor", "demo"),
    "SCM": ("account", "sync", "import", "organization", "domain", "profile"),
    "Orders and certificates": ("order", "certificate"),
    "Renewals": ("auto-renew", "renewal"),
    "Integration": ("hook", "webhook", "notify", "dns", "sender", "command", "dead-letter", "seal"),
    "Operations": (
        *(
            "up",
            "run",
            "top",
            "board",
            "recover",
            "schedule",
            "license",
            "approval",
            "audit",
            "keys",
            "simulator",
        ),
        "completion",
    ),
}


# Commands that run until they are stopped.
LONG_RUNNING = {"run", "up", "board", "demo", "simulator"}
# Characters: a line BEGIN of the shortest kind.
SHORTEST_KEY = 20


@click.command(
    cls=LazyGroup,
    places=PLACES,
    sections=GROUPS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.version_option(package_name="certline", message="%(prog)s %(version)s")
def certline() -> None:
    """Order TLS certificates from Sectigo Certificate Manager (SCM), store and renew them.

    First steps: certline init, certline account add, certline sync; then certline order create. Exit codes:
    0 done, 1 failed, 2 wrong usage, 3 waiting for something outside certline (licence, approval, review), 4
    nothing to do, 5 timed out while waiting, 6 a required server does not answer.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if {"run", "up"} & set(given[:3]):  # before anything else is loaded: a part has the secret key
        from certline.workers.programs.dumpable import close_to_others  # parts only

        close_to_others()
    if not LONG_RUNNING & set(given[:3]):
        # Imports make objects that stay, and the collector would walk them dozens of times: a tenth of a command's
        # time. `context.database` switches it on again.
        gc.disable()
        defer()
    streams.prepare()
    try:
        _require_no_key(given)
        # standalone_mode=False: click raises its errors instead of printing them and exiting.
        code = certline.main(given, prog_name="certline", standalone_mode=False)
        streams.finish()
    except BrokenPipeError as closed:
        code = _unread(closed)
    except Exception as error:  # noqa: BLE001  # the outermost handler: the user sees a sentence
        code = _told(error, as_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)


def _require_no_key(given: list[str]) -> None:
    """Raise Fault if an argument is a private key: a comment or a reason is stored, and may be shown."""
    # Nothing shorter is a key. Imported only then, since this package takes longer than `--help` should.
    if any(len(text) > SHORTEST_KEY for text in given):
        from certline.cli.parameters.options import without_key

        for text in given:
            option = re.match(r"--[a-z-]+(?==)", text)  # not the label of the key itself
            without_key(text, option[0] if option else "an argument")


def _told(error: Exception, *, as_json: bool) -> int:
    try:
        code = report.tell(error, as_json=as_json)
        streams.finish()
    except OSError as unprinted:  # the error cannot be printed either: a full disk, a closed pipe
        return _unread(unprinted)
    return code


def _unread(error: OSError) -> int:
    """Return the exit code for output that cannot be written; a reader who has closed the pipe is told nothing."""
    if not isinstance(error, BrokenPipeError):
        with suppress(OSError):
            click.echo(f"certline: the output cannot be written: {error.strerror}", err=True)
    # Without this, Python would fail again on its final flush.
    streams.abandon()
    return FAILED


if __name__ == "__main__":
    main()
