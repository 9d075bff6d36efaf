"""`certline certificate renew`: one certificate, several, or all that match, at a given pace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from certline.cli import context
from certline.cli.certificates.reissue_revoke import answer_placed
from certline.cli.certificates.renewal_question import FEW, confirm_many
from certline.cli.certificates.renewal_selection import FILTERS, chosen, in_words
from certline.cli.errors import DONE, NOTHING, WRONG_USE
from certline.cli.parameters.kinds import key_options
from certline.cli.parameters.options import PaceType
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.grid import Column, print_grid
from certline.cli.ui.listing import SCREENFUL, days, place_options
from certline.cli.ui.output import answer, leave, say, whisper
from certline.cli.ui.warnings import tell_warnings
from certline.cli.waiting.batch import answer_batch, wait_for_batch
from certline.cli.waiting.wait import wait_options
from certline.models.documents.projection import instant, minute, time_span

if TYPE_CHECKING:
    from certline.producers.renewals.verdicts import BatchVerdict, RenewalChoices


@click.command(cls=CliCommand)
@click.argument("names", metavar="[CERT]...", nargs=-1)
@click.option(
    "--file",
    "listed",
    type=TextFileType(),
    metavar="LIST",
    help="The certificates named in this file, one per line.",
)
@days("--expires-within", "All active certificates that expire within this many days.")
@click.option(
    "--issuer",
    metavar="TEXT",
    help="All active certificates whose issuing CA's name contains TEXT.",
)
@place_options
@click.option(
    "--pace",
    type=PaceType(),
    metavar="N/h",
    help="Renew at most this many per hour, as a batch (certline renewal).",
)
@key_options(
    "as before, or the nearest that the profile allows",
    "as before, or the nearest that the profile allows",
)
@click.option(
    "--reuse-key", is_flag=True, help="Use the certificate's present key again, if it is stored."
)
@click.option(
    "--again", is_flag=True, help="Place a second renewal even if one is on order or in force."
)
@click.option(
    "--without-other-names",
    is_flag=True,
    help="Renew it although the new certificate may lack its IP addresses, mail addresses and URIs.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only check: list what would be renewed, what would not, and why.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Begin without asking; required without a terminal for filters, --file and more than "
    f"{FEW} names.",
)
@wait_options
def renew(
    names: tuple[str, ...],
    *,
    listed: TextFile | None,
    pace: int | None,
    key_algorithm: str | None,
    key_size: str | None,
    reuse_key: bool,
    again: bool,
    without_other_names: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
    **filters: Any,
) -> None:
    """Renew certificates: the same names, with a new key of the same kind or the nearest that the profile allows.

    Renews the named certificates, or with filters all active certificates that match. If a renewal is
    already on order, that order is reported and nothing is placed: exit 4, or with --wait the existing
    order is waited for. Filters, --file and --pace start a batch, which can be paused. Asks first before
    filters, --file or many names renew anything. The old certificate stays valid until it expires.
    """
    from certline.producers.renewals.verdicts import RenewalChoices, judge_many
    from certline.producers.requests.certificates import request_successor

    narrowed = any(filters[name] is not None for name in FILTERS)
    if sum((bool(names), listed is not None, narrowed)) != 1:
        raise click.UsageError(
            "name certificates, or use --file, or filters: exactly one of the three"
        )
    certificates = chosen(names, listed, filters)
    # Named certificates are renewed all or none; a batch renews those that can be, and lists the
    # rest.
    is_batch = not names or pace is not None
    if is_batch and again:
        raise click.UsageError("--again works only with named certificates and without --pace")
    if is_batch and without_other_names:
        raise click.UsageError(
            "--without-other-names works only with named certificates and without --pace"
        )
    if reuse_key and (key_algorithm or key_size):
        raise click.UsageError("--reuse-key keeps the key: omit --key-algorithm and --key-size")
    choices = RenewalChoices(
        reuse_key=reuse_key,
        again=again,
        without_other_names=without_other_names,
        key_algorithm=key_algorithm,
        key_size=key_size,
    )
    verdicts = judge_many(context.database(), certificates, choices)
    if not is_batch and (not dry_run or len(verdicts) == 1):
        _require_all(verdicts)
    if dry_run:
        _answer_verdicts(verdicts, pace, is_batch=is_batch)
    if not names or len(certificates) > FEW:
        confirm_many(verdicts, pace, yes=yes)
    if is_batch:
        selection = in_words(names, listed, filters)
        _start_batch(
            verdicts,
            selection,
            pace,
            choices=choices,
            wait=wait,
            timeout=timeout,
        )
    accepted = [
        request_successor(
            context.database(),
            context.vault(),
            choices.command(each),
            requested_by=context.person(),
        )
        for each in certificates
    ]
    names_here = [each.common_name for each in certificates]
    answer_placed(accepted, names_here, wait=wait, timeout=timeout)


def _start_batch(
    verdicts: Sequence[BatchVerdict],
    selection: str,
    pace: int | None,
    *,
    choices: RenewalChoices,
    wait: bool,
    timeout: float | None,
) -> NoReturn:
    """Start a batch of those that can be renewed, print it, and exit."""
    from certline.producers.renewals.batches import request_batch

    batch = request_batch(
        context.database(),
        verdicts,
        selection=selection,
        pace=pace,
        choices=choices,
        requested_by=context.person(),
    )
    tell_warnings(
        (each.certificate.common_name, each.warnings) for each in verdicts if not each.problems
    )
    code = DONE if any(not each.problems for each in verdicts) else NOTHING
    if code == DONE and (wait or timeout is not None):
        whisper(f"batch {batch.id}")
        code = wait_for_batch(context.database(), batch.id, timeout)
    answer_batch(batch.id, started=True)
    leave(code)


def _require_all(verdicts: Sequence[BatchVerdict]) -> None:
    """Refuse all named certificates if one cannot be renewed. Raises BadCommandError."""
    from certline.models.validation import BadCommandError

    problems = [problem for verdict in verdicts for problem in verdict.problems]
    if problems:
        raise BadCommandError(problems)


def _answer_verdicts(verdicts: Sequence[BatchVerdict], pace: int | None, *, is_batch: bool) -> None:
    """Print the result of --dry-run, and exit."""
    tell_warnings((each.certificate.common_name, each.warnings) for each in verdicts)
    documents = [_document(each) for each in verdicts]
    alone = len(documents) == 1 and not is_batch
    answer(documents[0] if alone else documents, lambda: _tell(verdicts, pace))
    refused = sum(bool(each.problems) for each in verdicts)
    nothing = NOTHING if is_batch else WRONG_USE
    leave(nothing if refused and (not is_batch or refused == len(verdicts)) else DONE)


def _document(verdict: BatchVerdict) -> dict[str, Any]:
    return {
        "ok": not verdict.problems,
        "certificate": verdict.certificate.id,
        "common_name": verdict.certificate.common_name,
        "not_after": instant(verdict.certificate.not_after),
        "order": None if verdict.going is None else verdict.going.id,
        "key": verdict.key,
        "warnings": verdict.warnings,
        "problems": verdict.problems,
    }


def _fate(verdict: BatchVerdict) -> str:
    if verdict.problems:
        return "refused: " + "; ".join(verdict.problems)
    if verdict.going is not None:
        return f"already on order: {verdict.going.id}"
    return "will be renewed"


COLUMNS = [
    Column["BatchVerdict"]("certificate", lambda each: each.certificate.id),
    Column["BatchVerdict"](
        "common name", lambda each: each.certificate.common_name, may_be_cut=True
    ),
    Column["BatchVerdict"](
        "expires (UTC)", lambda each: minute(each.certificate.not_after), rank=1
    ),
    Column["BatchVerdict"]("what", _fate, may_be_cut=True),
]


def _tell(verdicts: Sequence[BatchVerdict], pace: int | None) -> None:
    refused = [each for each in verdicts if each.problems]
    going = [each for each in verdicts if each.going is not None]
    # Refused certificates first, because they need attention.
    rows = [*refused, *(each for each in verdicts if not each.problems)]
    print_grid(COLUMNS, rows[:SCREENFUL])
    if len(rows) > SCREENFUL:
        whisper(f"There are {len(rows) - SCREENFUL:,} more; --json lists all of them")
    count = len(verdicts) - len(refused)
    told = f"\n{count:,} can be renewed"
    if going:
        told += f" ({len(going):,} already on order)"
    if refused:
        told += f", {len(refused):,} refused"
    if pace is not None and count:
        told += f"; at {pace}/h that takes {time_span(timedelta(hours=count / pace))}"
    say(f"{told}. Nothing was placed.")
