"""`certline`, the root command. Each noun has a module of its own, loaded on first use."""

import os
import sys

import click
import rich_click

from cli import errors
from cli.grammar import LazyGroup

# Name -> (module, summary). The summary repeats the first sentence of the command's docstring, so
# that `--help` need not import the module; a unit test compares the two.
PLACES = {
    "init": (
        "cli.init",
        "Prepare the database and, in embedded mode, the secret key; safe to repeat.",
    ),
    "doctor": (
        "cli.doctor",
        "Check the settings, servers, accounts and queues that certline depends on.",
    ),
    "account": (
        "cli.account",
        "Accounts: logins at SCM of MRAO or RAO administrators of the type API.",
    ),
    "sync": (
        "cli.sync",
        "Read organisations, domains and profiles (with custom fields) from SCM.",
    ),
    "import": (
        "cli.import_",
        "Import orders and certificates that SCM already holds; with --dry-run only report them.",
    ),
    "organization": ("cli.catalogue", "Organisations and departments, as last synced."),
    "domain": ("cli.catalogue", "Domains and their validation, as last synced."),
    "profile": (
        "cli.catalogue",
        "Certificate profiles with their terms and key types, as last synced.",
    ),
    "order": ("cli.order", "Orders: place, list, poll, resolve, cancel and delete them."),
    "certificate": (
        "cli.certificate",
        "Stored certificates: list, export, renew, reissue, revoke and delete them.",
    ),
    "auto-renew": (
        "cli.auto_renew",
        "Automatic renewal: which certificates, when, and what was decided.",
    ),
    "renewal": (
        "cli.renewal",
        "Batches of renewals: show their progress, pause, resume or cancel them.",
    ),
    "hook": (
        "cli.hook",
        "Deploy hooks: write files and run a command on the worker's machine for new certificates.",
    ),
    "license": (
        "cli.license",
        "The licence: how many lines (certificates with their successors) may be managed.",
    ),
    "command": ("cli.command", "Commands: what was requested of certline, and the outcome."),
    "dead-letter": (
        "cli.dead_letter",
        "Messages that could not be accepted: inspect, replay or drop them.",
    ),
    "audit": ("cli.audit", "The audit log: who did what and when; append-only and hash-chained."),
    "keys": ("cli.keys", "The secret keys of this installation, and their rotation."),
    "seal": (
        "cli.seal",
        "Encrypt a password for use in a message, with the installation's secret key.",
    ),
    "webhook": (
        "cli.webhook",
        "Webhooks: URLs that events are posted to, for systems without RabbitMQ.",
    ),
    "schedule": ("cli.schedule", "Schedules: list the periodic jobs, or run one now."),
    "run": ("cli.run", "Run parts of certline as separate processes, connected by RabbitMQ."),
    "up": ("cli.up", "Run all parts of certline in this process, without RabbitMQ, until Ctrl-C."),
    "demo": (
        "cli.up",
        "Demonstrate a certificate's life cycle on this machine, with the simulator in place of SCM.",
    ),
    "simulator": ("cli.simulator", "Run a simulator of SCM, with its own CA, until Ctrl-C."),
    "completion": ("cli.completion", "Print the completion script for a shell."),
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
    except Exception as error:  # noqa: BLE001  # the outermost handler: the user sees a sentence
        code = errors.tell(error, as_json="--json" in given)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
