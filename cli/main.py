"""`certline`, the root command. Each noun has a module of its own, loaded on first use."""

import os
import sys

import click
import rich_click

from certline.cli import report
from certline.cli.ui.grammar import LazyGroup

# Name -> (module, summary). The summary repeats the first sentence of the command's docstring, so
# that `--help` need not import the module; a unit test compares the two.
PLACES = {
    "init": (
        "certline.cli.operations.init",
        "Prepare the database, and embedded the secret key; safe to repeat.",
    ),
    "doctor": ("certline.cli.operations.doctor", "Check every outer thing that the line needs."),
    "account": (
        "certline.cli.scm.account",
        "Logins at SCM: MRAO or RAO administrators of the type API.",
    ),
    "sync": (
        "certline.cli.scm.sync",
        "Read from SCM what it offers: organisations, domains, profiles (with custom fields).",
    ),
    "import": (
        "certline.cli.scm.import_",
        "Take in orders and certificates that SCM holds already; with --dry-run say what is news.",
    ),
    "organization": (
        "certline.cli.scm.catalogue",
        "Organisations and departments, as last synced.",
    ),
    "domain": ("certline.cli.scm.catalogue", "Domains with their validation, as last synced."),
    "profile": (
        "certline.cli.scm.catalogue",
        "Certificate profiles with their terms and keys, as last synced.",
    ),
    "order": ("certline.cli.orders.order", "Certificates that are ordered."),
    "certificate": ("certline.cli.certificates.certificate", "Certificates that are stored."),
    "auto-renew": (
        "certline.cli.renewals.auto_renew",
        "Certificates that are renewed by themselves: which, when, and what was decided.",
    ),
    "renewal": (
        "certline.cli.renewals.renewal",
        "Many renewals at once: how far they are; paused, resumed and cancelled.",
    ),
    "hook": (
        "certline.cli.integration.hook",
        "Deploy hooks: files and commands, on the worker's machine, when a certificate comes.",
    ),
    "license": (
        "certline.cli.operations.license",
        "How many certificates may be managed; renewals and reissues count once.",
    ),
    "command": (
        "certline.cli.integration.command",
        "What was asked of the line, and how it ended.",
    ),
    "dead-letter": (
        "certline.cli.integration.dead_letter",
        "Messages that could not be taken: look at them, replay them or drop them.",
    ),
    "audit": (
        "certline.cli.operations.audit",
        "The log: who did what, and when; only ever added to, and chained.",
    ),
    "keys": ("certline.cli.operations.keys", "The secret keys of this line, and their rotation."),
    "seal": (
        "certline.cli.operations.seal",
        "Seal a password for a message, with the line's secret key.",
    ),
    "webhook": (
        "certline.cli.integration.webhook",
        "Receivers that events are posted to, for those without RabbitMQ.",
    ),
    "schedule": ("certline.cli.operations.schedule", "What runs when."),
    "run": ("certline.cli.operations.run", "Run parts of the line as processes, over RabbitMQ."),
    "up": (
        "certline.cli.operations.up",
        "Run the whole line in this process, without RabbitMQ, until Ctrl-C.",
    ),
    "demo": (
        "certline.cli.operations.up",
        "Play a certificate's whole life on this machine: simulator, order, licence, export.",
    ),
    "simulator": (
        "certline.cli.operations.simulator",
        "Run a simulator of SCM, with a CA of its own, until Ctrl-C.",
    ),
    "completion": (
        "certline.cli.operations.completion",
        "Print the completion script of a shell, for its start file.",
    ),
}


@click.command(
    cls=LazyGroup,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="certline", message="%(prog)s %(version)s")
@rich_click.rich_config({"use_rich_markup": False, "max_width": 100})
def certline() -> None:
    """Order TLS certificates from Sectigo Certificate Manager (SCM), store and renew them.

    First steps: certline init, certline account add, certline sync; then certline order create. Exit codes:
    0 done, 1 failed, 2 wrong usage, 3 waiting for something outside certline (licence, approval, review), 4
    nothing to do, 5 timed out while waiting, 6 a required server does not answer.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # standalone_mode=False: click raises its errors instead of printing them and exiting.
        code = certline.main(given, prog_name="certline", standalone_mode=False)
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Without this, Python would fail again on its final flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:  # noqa: BLE001  # the edge: whatever it is, a person reads a sentence
        code = report.tell(error, as_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
