"""Document of a sender, and what it says to users."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document

if TYPE_CHECKING:
    from certline.models import SenderKind


class SenderDocument(Document):
    """A sender and its limits; an empty list of accounts, organisations or names is no limit."""

    name: str
    kind: SenderKind
    amqp_user: str | None
    commands: list[str]
    accounts: list[str]
    organizations: list[str]
    names: list[str]
    own_only: bool
    added_by: str
    created_at: datetime


def known_by(document: SenderDocument) -> str:
    """Return how a sender is recognised, for users."""
    from certline.models import SenderKind

    if document.kind is SenderKind.USER:
        return f"RabbitMQ user {document.amqp_user}"
    if document.kind is SenderKind.WORK_QUEUES:
        return "a work queue"
    return "any user without a sender of its own"


def whose(document: SenderDocument) -> str:
    """Return whose orders and certificates a sender may do something with, for users."""
    return "its own" if document.own_only else "others' too"


def limits(document: SenderDocument) -> str:
    """Return the accounts, organisations and names that a sender may use, for users."""
    return ", ".join([*document.accounts, *document.organizations, *document.names]) or "none"


def may(document: SenderDocument) -> str:
    """Return what a sender may send, for users."""
    return f"{', '.join(document.commands)}; {whose(document)}; limits: {limits(document)}"
