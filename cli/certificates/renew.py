"""`certline certificate renew`: one, several, or all that are like this, at a pace."""

import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import IO, Any

import rich_click as click

from certline.cli import context
from certline.cli.certificates.reissue_revoke import answer_placed, certificates_named
from certline.cli.errors import DONE, NOTHING, WRONG_USE, Fault
from certline.cli.ui.documents import instant, minute
from certline.cli.ui.grammar import Command
from certline.cli.ui.grid import Column, print_grid
from certline.cli.ui.listing import SCREENFUL, days, place_options, places
from certline.cli.ui.lookup import find_certificate
from certline.cli.ui.output import answer, leave, say, whisper
from certline.cli.waiting.batch import answer_batch, said_of_time, wait_for_batch
from certline.cli.waiting.wait import wait_options
from certline.models import Certificate, CertificateStatus, Narrowing
from certline.models.certificates.certificate import SeveralCertificatesError
from certline.models.commands.payloads import RenewCommand
from certline.models.listing import certificates_listed
from certline.models.renewals.batch_pace import per_hour
from certline.models.validation import BadCommandError
from certline.producers.renewals.batches import Verdict, judge_many, request_batch
from certline.producers.requests import certificates as managing

# What chooses certificates that are stored, by the options' names.
FILTERS = ("expires_within", "issuer", "account", "organization", "profile", "name")


class Pace(click.ParamType[int]):
    """How many an hour."""

    name = "pace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A number an hour. A usage error for anything else."""
        try:
            return per_hour(str(value))
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


@click.command(cls=Command)
@click.argument("names", metavar="[CERT]...", nargs=-1)
@click.option(
    "--file", "listed", type=click.File(), metavar="LIST", help="Those named in it, one a line."
)
@days("--expires-within", "All active ones that expire within so many days.")
@click.option("--issuer", metavar="TEXT", help="All active ones whose CA is called like this.")
@place_options
@click.option(
    "--pace", type=Pace(), metavar="N/h", help="So many an hour, as a batch (certline renewal)."
)
@click.option("--reuse-key", is_flag=True, help="With the key that it has, where that is here.")
@click.option("--again", is_flag=True, help="A second successor on purpose, where one is on order.")
@click.option(
    "--dry-run", is_flag=True, help="Only check: list what would be renewed, and what not, and why."
)
@wait_options
def renew(
    names: tuple[str, ...],
    *,
    listed: IO[str] | None,
    pace: int | None,
    reuse_key: bool,
    again: bool,
    dry_run: bool,
    wait: bool,
    timeout: float | None,
    **filters: Any,
) -> None:
    """Renew certificates: the same names and kind of key, and a fresh key.

    Those that are named, or with filters all active ones that are like this. Where a renewal is on
    order already, that order is named and nothing is placed: exit 4, or with --wait that order is
    waited for. Filters, --file and --pace make a batch, which can be paused. The old certificate
    stays valid until it expires.
    """
    narrowed = any(filters[name] is not None for name in FILTERS)
    if sum((bool(names), listed is not None, narrowed)) != 1:
        raise click.UsageError("name certificates, or a --file, or filters: one of the three")
    certificates = _chosen(names, listed, filters)
    is_batch = not names or pace is not None
    if is_batch and again:
        raise click.UsageError("--again is for certificates that are named, without --pace")
    verdicts = judge_many(context.database(), certificates, reuse_key=reuse_key)
    if not is_batch and (not dry_run or len(verdicts) == 1):
        _require_all(verdicts)
    if dry_run:
        _answer_verdicts(verdicts, pace, is_batch=is_batch)
    if not is_batch:
        accepted = [
            managing.request_successor(
                context.database(),
                context.vault(),
                RenewCommand(certificate=each.id, reuse_key=reuse_key, again=again),
                requested_by=context.person(),
            )
            for each in certificates
        ]
        answer_placed(accepted, wait=wait, timeout=timeout)
        return
    batch = request_batch(
        context.database(),
        verdicts,
        selection=_in_words(names, listed, filters),
        pace=pace,
        reuse_key=reuse_key,
        requested_by=context.person(),
    )
    code = DONE if any(not each.problems for each in verdicts) else NOTHING
    if code == DONE and (wait or timeout is not None):
        whisper(f"batch {batch.id}")
        code = wait_for_batch(context.database(), batch.id, timeout)
    answer_batch(batch.id, started=True)
    leave(code)


def _chosen(
    names: Sequence[str], listed: IO[str] | None, filters: dict[str, Any]
) -> list[Certificate]:
    """The certificates in the order of their turns: as named, or the one that expires first."""
    if names:
        return certificates_named(names)
    if listed is not None:
        return _of_list(listed)
    with context.database().transaction() as db:
        own = {name: filters[name] for name in ("expires_within", "issuer", "name")}
        here = {name: filters[name] for name in ("account", "organization", "profile")}
        wanted = Narrowing(statuses=(CertificateStatus.ACTIVE.value,), **own, **places(db, **here))
        query = certificates_listed(wanted).order_by(Certificate.not_after, Certificate.id)
        found = list(db.scalars(query))
    if not found:
        raise Fault("there is no active certificate like this", code=NOTHING)
    return found


def _of_list(listed: IO[str]) -> list[Certificate]:
    """The certificates that a file names, one a line; `#` begins a comment. Raises Fault, which
    names every line that stands for no certificate.
    """
    found: dict[str, Certificate] = {}
    problems = []
    with context.database().transaction() as db:
        for number, text in enumerate(listed, 1):
            name = text.partition("#")[0].strip()
            if not name:
                continue
            try:
                certificate = find_certificate(db, name)
            except (Fault, SeveralCertificatesError) as wrong:
                problems.append(f"line {number}: {wrong}")
            else:
                found[certificate.id] = certificate
    if problems:
        count = len(problems)
        raise Fault(
            f"{count} {'line names' if count == 1 else 'lines name'} no certificate that is here:",
            code=WRONG_USE,
            problems=problems,
        )
    if not found:
        raise Fault("the file names no certificate", code=NOTHING)
    return list(found.values())


def _in_words(names: Sequence[str], listed: IO[str] | None, filters: dict[str, Any]) -> str:
    """What was asked for, as it was typed."""
    words = list(names) if len(names) <= 3 else [f"{len(names)} certificates"]
    if listed is not None:
        words += ["--file", listed.name]
    for name in FILTERS:
        value = filters[name]
        if value is not None:
            text = value.days if isinstance(value, timedelta) else value
            words += [f"--{name.replace('_', '-')}", str(text)]
    return shlex.join(words)


def _require_all(verdicts: Sequence[Verdict]) -> None:
    """Certificates that are named are renewed all or not at all. Raises BadCommandError."""
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    if problems:
        raise BadCommandError(problems)


def _answer_verdicts(verdicts: Sequence[Verdict], pace: int | None, *, is_batch: bool) -> None:
    """The answer of --dry-run; ends the command."""
    for warning in dict.fromkeys(text for each in verdicts for text in each.warnings):
        whisper(f"warning: {warning}")
    documents = [_document(each) for each in verdicts]
    alone = len(documents) == 1 and not is_batch
    answer(documents[0] if alone else documents, lambda: _tell(verdicts, pace))
    refused = sum(bool(each.problems) for each in verdicts)
    nothing = NOTHING if is_batch else WRONG_USE
    leave(nothing if refused and (not is_batch or refused == len(verdicts)) else DONE)


def _document(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": not verdict.problems,
        "certificate": verdict.certificate.id,
        "common_name": verdict.certificate.common_name,
        "not_after": instant(verdict.certificate.not_after),
        "order": None if verdict.going is None else verdict.going.id,
        "warnings": verdict.warnings,
        "problems": verdict.problems,
    }


def _fate(verdict: Verdict) -> str:
    if verdict.problems:
        return "refused: " + "; ".join(verdict.problems)
    if verdict.going is not None:
        return f"on order already: {verdict.going.id}"
    return "is renewed"


COLUMNS = [
    Column[Verdict]("certificate", lambda each: each.certificate.id),
    Column[Verdict]("common name", lambda each: each.certificate.common_name, may_be_cut=True),
    Column[Verdict]("expires (UTC)", lambda each: minute(each.certificate.not_after), rank=1),
    Column[Verdict]("what", _fate, may_be_cut=True),
]


def _tell(verdicts: Sequence[Verdict], pace: int | None) -> None:
    refused = [each for each in verdicts if each.problems]
    going = [each for each in verdicts if each.going is not None]
    # The refused ones first: they are what a person has to look at.
    rows = [*refused, *(each for each in verdicts if not each.problems)]
    print_grid(COLUMNS, rows[:SCREENFUL])
    if len(rows) > SCREENFUL:
        whisper(f"There are {len(rows) - SCREENFUL:,} more; --json has all of them")
    count = len(verdicts) - len(refused)
    told = f"\n{count:,} can be renewed"
    if going:
        told += f" ({len(going):,} on order already)"
    if refused:
        told += f", {len(refused):,} refused"
    if pace is not None and count:
        told += f"; at {pace}/h that takes {said_of_time(timedelta(hours=count / pace))}"
    say(f"{told}. Nothing was placed.")
