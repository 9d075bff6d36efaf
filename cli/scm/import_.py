"""`certline import`: take in what SCM holds already, or say what has been done there by others."""

from typing import Any

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE
from certline.cli.ui.grammar import Command
from certline.cli.ui.output import answer, leave, say, table, whisper
from certline.cli.waiting.wait import started, wait_for, wait_options
from certline.models import Command as Asked
from certline.models.commands.fields import SCM_WORDS
from certline.models.commands.payloads import ImportCommand, read_payload
from certline.models.imports.record import News
from certline.producers.requests.imports import request_import

# What the report says of each kind of news.
SAID = {
    News.NEW: "not here yet",
    News.REPLACED: "replaced: the same sslId has another certificate",
    News.RENEWED: "perhaps the renewal of one that is here",
    News.REVOKED: "revoked",
    News.AUTO_RENEW: "renewed by SCM itself",
}


@click.command("import", cls=Command)
@click.option(
    "--status",
    type=click.Choice(SCM_WORDS, case_sensitive=False),
    metavar="STATUS",
    help=f"Only orders with this status at SCM: {', '.join(SCM_WORDS)}.",
)
@click.option("--organization", metavar="ID|NAME", help="Only of this organisation or department.")
@click.option("--profile", metavar="ID|NAME", help="Only of this certificate profile.")
@click.option("--common-name", metavar="CN", help="Only of this common name.")
@click.option("--order", multiple=True, metavar="SSLID", help="Only this one; repeatable.")
@click.option("--account", metavar="NAME", help="Needed where there are several accounts.")
@click.option("--known", is_flag=True, help="Only news of what is here; the rest is counted.")
@click.option(
    "--dry-run", is_flag=True, help="Change nothing: say what would come, and wait for it."
)
@wait_options
def import_(*, wait: bool, timeout: float | None, **given: Any) -> None:
    """Take in orders and certificates that SCM holds already; with --dry-run say what is news.

    Each order is recorded, whatever its status; a certificate that is in force is stored where the
    licence has room, without its private key. What has no room is held: exit 3. What is here
    already costs no call; what was done to it in SCM's own portal is noticed.
    """
    data = {name: value for name, value in given.items() if value}
    if given["order"]:
        data["order"] = list(given["order"])
    wanted = read_payload("import", data)
    assert isinstance(wanted, ImportCommand)  # noqa: S101  # for mypy: the name says so
    accepted = request_import(context.database(), wanted, requested_by=context.person())
    if wanted.dry_run:
        _report(accepted.command, timeout)
    started([accepted.command], wait=wait, timeout=timeout)


def _report(asked: Asked, timeout: float | None) -> None:
    code = wait_for(context.database(), [asked.id], timeout)
    with context.database().transaction() as db:
        found = db.get_one(Asked, asked.id)
    if code != DONE or not found.result:
        whisper(f"command {asked.id}")
        leave(code)
    answer(found.result, lambda: _tell(found.result or {}))
    leave(code)


def _tell(report: dict[str, Any]) -> None:
    rows = [
        (SAID[news], named["scm_id"], named["common_name"])
        for news in News
        for named in report["named"][news]
    ]
    table(["what", "sslId", "common name"], rows, empty="Nothing is new at SCM.")
    say("")
    total = report["known"] + report["news"][News.NEW]
    say(f"{total:,} orders at SCM, {report['known']:,} of them here.")
    statuses = ", ".join(f"{count:,} {status}" for status, count in report["new"].items())
    if statuses:
        say(f"Not here: {statuses}. The licence has room for {report['room']:,}.")
    for news, said in SAID.items():
        if report["news"][news] > len(report["named"][news]):
            say(f"{said}: {report['news'][news]:,} in all")
