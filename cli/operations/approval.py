"""`certline approval`: what needs a second person, because it cannot be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import CliCommand, Group
from certline.cli.ui.output import answer, facts, say, table, whisper
from certline.cli.waiting.approval import leave_waiting
from certline.models.documents.command import ApprovalDocument
from certline.models.documents.projection import instant, minute
from certline.models.validation import USUAL_ABOVE

if TYPE_CHECKING:
    from certline.models import ApprovalRule
    from certline.models.commands.approval import Guard


@click.group(cls=Group)
def approval() -> None:
    """Approvals: what needs a second person before it is done, because it cannot be undone.

    Off until `approval require` names what. The second person: certline command approve, or decline.
    """


def _kinds(_context: click.Context, _parameter: click.Parameter, given: str) -> list[Guard]:
    """Return the kinds of a list. Raises BadParameter."""
    from certline.models.commands.approval import CHOICES, Guard

    words = [word.strip() for word in given.split(",") if word.strip()]
    unknown = [word for word in words if word not in list(CHOICES)]
    if unknown or not words:
        raise click.BadParameter(
            f"{', '.join(unknown) or 'nothing'!r} is none of: {', '.join(CHOICES)}; commas separate several"
        )
    return [Guard(word) for word in dict.fromkeys(words)]


@approval.command(cls=CliCommand, context_settings={"ignore_unknown_options": True})
@click.argument("kinds", metavar="KIND,…", callback=_kinds)
@click.option(
    "--above",
    type=Whole(0, 1_000_000),
    metavar="N",
    help=f"revoke-many: revocations of one requester in 24 hours that need no approval. Default: {USUAL_ABOVE}, "
    "or as before.",
)
def require(kinds: list[Guard], above: int | None) -> None:
    """Require the approval of a second person: for delete, export-key, revoke-many, or several of them.

    Replaces what was required before. To require less than before needs an approval itself.
    """
    from certline.models.commands.approval import Guard

    if above is not None and Guard.REVOKE_MANY not in kinds:
        raise click.UsageError("--above goes with revoke-many")
    _change(kinds, above)


@approval.command(cls=CliCommand)
def off() -> None:
    """Require no approvals any more. This needs an approval itself, if any is required now."""
    _change([], None)


@approval.command(cls=CliCommand)
def show() -> None:
    """Show what needs an approval, and what waits for one."""
    from certline.models.commands.approval import rule_of, waiting

    with context.database().transaction() as db:
        rule, found = rule_of(db), waiting(db)
    documents = [ApprovalDocument.of(each) for each in found]

    def tell() -> None:
        facts(_facts(rule))
        say("")
        rows = [
            (each.id, row.request, str(row.requester), minute(row.requested_at))
            for each, row in zip(documents, found, strict=True)
        ]
        heads = ["id", "waits", "requested by", "since (UTC)"]
        table(heads, rows, empty="Nothing waits for an approval.")

    answer(_document(rule) | {"waiting": [each.as_dict() for each in documents]}, tell)


def _change(kinds: list[Guard], above: int | None) -> None:
    from certline.models.commands.approval import rule_of
    from certline.producers.requests.approvals import change_rule

    if kinds and context.settings().embedded:
        whisper(
            "warning: only root can be the second person of an embedded installation, since its home is open to "
            "nobody else; to take the rule back needs that person, too"
        )
    waits = change_rule(context.database(), kinds, above, who=context.person())
    if waits is not None:
        leave_waiting(waits)
    with context.database().transaction() as db:
        rule = rule_of(db)
    answer(_document(rule), lambda: facts(_facts(rule)))


def _document(rule: ApprovalRule | None) -> dict[str, object]:
    return {
        "required": [] if rule is None else rule.required,
        "above": USUAL_ABOVE if rule is None else rule.above,
        "changed_by": None if rule is None else rule.changed_by,
        "changed_at": None if rule is None else instant(rule.changed_at),
    }


def _facts(rule: ApprovalRule | None) -> dict[str, object]:
    if rule is None:
        return {"need an approval": "nothing"}
    return {
        "need an approval": rule.in_words(),
        "changed by": rule.changed_by,
        "changed": minute(rule.changed_at),
    }
