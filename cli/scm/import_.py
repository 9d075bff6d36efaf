"""`certline import`: imports what SCM already holds, or reports what others changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import DONE
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, leave, say, table, whisper
from certline.cli.waiting.wait import started, wait_for, wait_options
from certline.models.documents.command import CommandDocument
from certline.models.states import SCM_WORDS

if TYPE_CHECKING:
    from certline.models import Command


@click.command("import", cls=CliCommand)
@click.option(
    "--status",
    type=click.Choice(SCM_WORDS, case_sensitive=False),
    metavar="STATUS",
    help=f"Only orders with this status at SCM: {', '.join(SCM_WORDS)}.",
)
@click.option("--organization", metavar="ID|NAME", help="Only of this organisation or department.")
@click.option("--profile", metavar="ID|NAME", help="Only with this certificate profile.")
@click.option("--common-name", metavar="CN", help="Only with this common name.")
@click.option("--order", multiple=True, metavar="SSLID", help="Only this order; repeatable.")
@click.option("--account", metavar="NAME", help="Required if there are several accounts.")
@click.option(
    "--known", is_flag=True, help="Only changes to orders already stored; others are just counted."
)
@click.option(
    "--dry-run", is_flag=True, help="Change nothing: wait for a report of what would be imported."
)
@wait_options
def import_(*, wait: bool, timeout: float | None, **given: Any) -> None:
    """Import orders and certificates that SCM already holds; with --dry-run only report them.

    Every order is recorded, whatever its status; a certificate in force is stored, without its private key,
    if the licence has a free line, and is otherwise held: exit 3. Orders already stored cost no call to
    SCM; changes made in SCM's own portal are detected.
    """
    from certline.models.commands.payloads import ImportCommand, read_payload
    from certline.producers.requests.imports import request_import

    data = {name: value for name, value in given.items() if value}
    if given["order"]:
        data["order"] = list(given["order"])
    wanted = read_payload(ImportCommand, data)
    accepted = request_import(context.database(), wanted, requested_by=context.person())
    if wanted.dry_run:
        _report(accepted.command, timeout)
    started([accepted.command], wait=wait, timeout=timeout)


def _report(asked: Command, timeout: float | None) -> None:
    from certline.models import Command

    code = wait_for(context.database(), [asked.id], timeout)
    with context.database().transaction() as db:
        found = db.get_one(Command, asked.id)
    if code != DONE or not found.result:
        answer(CommandDocument.of(found), lambda: whisper(f"command {asked.id}"))
        leave(code)
    answer(found.result, lambda: _tell(found.result or {}))
    leave(code)


def _tell(report: dict[str, Any]) -> None:
    from certline.models.imports.record import News

    words = {
        News.NEW: "not imported yet",
        News.REPLACED: "replaced: the same sslId has another certificate",
        News.RENEWED: "perhaps the renewal of a stored certificate",
        News.REVOKED: "revoked",
        News.AUTO_RENEW: "set to be renewed by SCM itself",
    }
    rows = [
        (words[news], named["scm_id"], named["common_name"])
        for news in News
        for named in report["named"][news]
    ]
    table(["what", "sslId", "common name"], rows, empty="Nothing is new at SCM.")
    say("")
    total = report["known"] + report["news"][News.NEW]
    say(f"{total:,} orders at SCM, {report['known']:,} of them stored.")
    statuses = ", ".join(f"{count:,} {status}" for status, count in report["new"].items())
    if statuses:
        say(f"Not imported: {statuses}. The licence has {report['room']:,} free lines.")
    for news, said in words.items():
        if report["news"][news] > len(report["named"][news]):
            say(f"{said}: {report['news'][news]:,} in total")
