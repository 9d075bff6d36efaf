"""`certline domain show`: a domain, its validation, and what depends on it."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, facts, say, table
from certline.models.documents.domains.detail import day_or_none, detail_document
from certline.models.documents.projection import minute, minute_and_distance
from certline.models.domains.course import PROOFS
from certline.models.states import ValidationOutcome, ValidationStage

if TYPE_CHECKING:
    from datetime import datetime

    from certline.models import Validation
    from certline.models.domains.detail import DomainDetail
    from certline.models.domains.forecast import DomainForecast
    from certline.models.overview.attendance import Attendance
    from certline.producers.domains.dependence import Dependence


@click.command(cls=CliCommand)
@click.argument("name", metavar="DOMAIN")
@click.option("--account", metavar="NAME", help="The account, if several have the domain.")
def show(name: str, *, account: str | None) -> None:
    """Show a domain: its validation, the certificates that depend on it, and what is being done.

    DOMAIN may be any name: it is shown with the domain whose validation covers it.
    """
    from certline.models.domains.detail import detail_of
    from certline.models.domains.request import will_wait_for_person
    from certline.producers.domains.dependence import dependence_of

    with context.database().transaction() as db:
        found = detail_of(db, name, account)
        its = dependence_of(db, (found.account.id, found.validated_with))
        going = its.care.validation
        by_hand = going is not None and will_wait_for_person(db, going)
    document = detail_document(found, its.care, its.certificates, its.outlook, its.ahead)
    answer(document, lambda: _people(found, its, by_hand=by_hand))


def _people(found: DomainDetail, its: Dependence, *, by_hand: bool) -> None:
    """Print a domain. `by_hand`: no provider will put the proof of its validation under way in place."""
    own, longest, care, ahead = found.row, found.longest, its.care, its.ahead
    late = 0 if ahead is None else ahead.refused.total()
    _facts_of(
        {
            "domain": found.name,
            "account": found.account.name,
            "validated with": None if found.validated_with == found.name else found.validated_with,
            "state": own.state,
            "delegation": own.delegation_status,
            "delegated to": _delegations(found),
            "validation": longest.validation_status,
            "method": longest.validation_method,
            "last validated": _last_validated(found),
            "ends": minute_and_distance(longest.validation_expires),
            "usable until": _usable_until(found),
            "certificates": f"{its.certificates:,} active with names below {found.validated_with}",
            "their renewals": f"{its.outlook.renewals - late:,} before its end, {late:,} after it",
            "first after it": None if ahead is None else _first(ahead),
            "begin by": None if ahead is None else minute_and_distance(ahead.begin_by),
            "being done": str(care),
            "validated by itself": _automation(found),
            "synced": minute(own.synced_at),
        }
    )
    if care.validation is not None:
        _under_way(care.validation, found.next_try, by_hand=by_hand)
    if found.validations:
        say("")
        rows = [
            (
                minute(each.begun_at),
                each.method,
                each.outcome or each.stage,
                each.expires,
                _said(each),
            )
            for each in found.validations
        ]
        table(["begun (UTC)", "method", "outcome", "ends", "said"], rows, empty="")
    say(f"\n{_next(found, care, ahead, by_hand=by_hand)}")
    if care.validation is not None and care.validation.outcome is None:
        say(f"{care.validation.way_out}.")


def _said(row: Validation) -> str | None:
    """Return why a validation has failed, and what was found last, as about a proof that is left where it is."""
    if row.error is None or row.said is None or row.said in row.error:
        return row.error or row.said
    return f"{row.error}; {row.said}"


def _facts_of(pairs: dict[str, object]) -> None:
    """Print those of the named values that are known."""
    facts({name: value for name, value in pairs.items() if value is not None})


def _last_validated(found: DomainDetail) -> str | None:
    """Return when and how the domain was last validated: by certline, or earlier or later by others."""
    on = found.longest.validated_on
    done = next(
        (each for each in found.validations if each.outcome is ValidationOutcome.VALIDATED), None
    )
    if done is None or done.ended_at is None:
        return None if on is None else f"{on}, as SCM says"
    if on is not None and on > done.ended_at.date():
        return f"{on}, as SCM says; before, {minute(done.ended_at)} by {done.method}"
    return f"{minute(done.ended_at)} by {done.method}"


def _delegations(found: DomainDetail) -> list[str]:
    return [
        f"{found.owners.get(each.get('org_id', 0), 'unknown')} ({each.get('org_id')})"
        + (f": {', '.join(each['privileges'])}" if each.get("privileges") else "")
        for each in found.row.delegations
    ]


def _usable_until(found: DomainDetail) -> str | None:
    """Return the last day on which the validation can be used, where it is not the one that SCM shows."""
    if day_or_none(found.last_day) is None or found.last_day == found.longest.validation_expires:
        return None
    why = "ended, as SCM says" if found.is_over else "then too old by ballot SC-081v3"
    return f"{found.last_day}, {why}"


def _first(ahead: DomainForecast) -> str:
    return f"{ahead.first}: {', '.join(ahead.names)}"


def _automation(found: DomainDetail) -> str:
    if not found.automation.enabled:
        return "no: certline domain auto-validate enable"
    if not found.automation.selected:
        return "no, left to a person"
    return f"{found.automation.days} days before its end"


def _under_way(row: Validation, next_try: datetime | None, *, by_hand: bool) -> None:
    say("\nUnder way:")
    _facts_of(
        {
            "validation": row.id,
            "stage": f"{row.stage}, since {minute(row.stage_since)}",
            "method": f"{row.method}, as it was submitted at SCM before"
            if row.is_adopted
            else row.method,
            "waits for": f"the name servers, which say whether the {PROOFS[row.method]} has an alias"
            if by_hand and row.stage is ValidationStage.PUBLISH
            else row.waits_for,
            "waits until": minute_and_distance(row.waits_until),
            "next try": minute_and_distance(next_try),
            "record": row.proof_name,
            "value": row.proof_value,
            "put in place by": "a person" if row.by_hand or by_hand else row.dns,
            "written at": None if row.proof_at == row.proof_name else row.proof_at,
            "seen": minute(row.seen_at),
            "seen last": row.said,
            "command": row.command_id,
        }
    )


def _next(
    found: DomainDetail, care: Attendance, ahead: DomainForecast | None, *, by_hand: bool
) -> str:
    """Return what there is to do."""
    validate = f"certline domain validate {quote(found.validated_with)}"
    if care.validation is not None:
        if by_hand:
            return _by_hand(care.validation)
        waits = care.validation.waits_for
        return care.validation.to_do or f"It goes on by itself; it waits for {waits}."
    if found.suspended:
        return "It has to be activated at SCM first; then: certline sync domains"
    if care.begins is not None:
        return f"A validation begins at {minute(care.begins)} UTC, by itself."
    if found.is_over:
        return f"No validation can be used. To validate it: {validate}"
    if ahead is None:
        return f"Its validation reaches all renewals. To validate it anew: {validate}"
    if ahead.begin_by <= found.today:
        return f"It has to be validated now: {validate}"
    return f"It has to be validated from {ahead.begin_by} on: {validate}"


def _by_hand(row: Validation) -> str:
    """Return what a person has to do for a validation whose proof no provider will put in place."""
    proof = PROOFS[row.method]
    since = f"since no provider writes below {row.domain} by itself (certline dns list)"
    seen = "certline goes on by itself once it is seen."
    if row.proof_value is None:
        return f"SCM names the {proof} first. A person then has to make it, {since}: look here again. {seen}"
    return (
        f"A person has to make the {proof} {row.proof_name} with {row.proof_value}, {since}. {seen}"
    )
