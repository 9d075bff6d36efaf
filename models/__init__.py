"""The database tables, their statuses with the legal moves, and the queries on them.

A name of this package is imported from its module when it is first used, so that a command of the command line
loads the tables that it works with, and no others.
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table

    from certline.models.accounts.account import Account, AccountStatus, LoginKind
    from certline.models.accounts.breaker import Breaker
    from certline.models.accounts.catalogue import CustomField, Domain, Organization, Profile
    from certline.models.accounts.rate_limit import CallKind, RateLimit
    from certline.models.audit.log import AuditEntry, AuditHead, AuditLink
    from certline.models.audit.patrol import AuditPatrol
    from certline.models.certificates.backoff import LineBackoff
    from certline.models.certificates.certificate import Certificate
    from certline.models.certificates.deploy_hook import Hook
    from certline.models.certificates.license import License
    from certline.models.certificates.line import AutoRenewChoice, Line
    from certline.models.commands.approval import Approval, ApprovalRule
    from certline.models.commands.command import Command
    from certline.models.commands.dead_letter import DeadLetter, DeadLetterStatus
    from certline.models.commands.redelivery import Redelivery
    from certline.models.database.base import Base
    from certline.models.database.metric_sample import MetricSample
    from certline.models.database.session import Database
    from certline.models.domains.automation import (
        AutoValidation,
        AutoValidationChoice,
        AutoValidationDecision,
    )
    from certline.models.domains.expiry import ValidationTold
    from certline.models.domains.provider import DnsProvider, ProviderKind
    from certline.models.domains.validation import Validation
    from certline.models.events.outbox import Outbox
    from certline.models.heartbeat import Heartbeat
    from certline.models.imports.record import ImportRecord
    from certline.models.imports.report_row import ReportedRecord
    from certline.models.imports.run import ImportRun
    from certline.models.key_proof import SecretKey
    from certline.models.listing import Narrowing
    from certline.models.notices.notice import Notice
    from certline.models.notices.route import NoticeRoute
    from certline.models.orders.order import Order
    from certline.models.orders.private_key import PrivateKey
    from certline.models.renewals.batch import BatchStatus, RenewalBatch, RenewalMember
    from certline.models.renewals.runs import AutoRenewDecision, AutoRenewRun
    from certline.models.renewals.selection import AutoRenewRule, AutoRenewSetting
    from certline.models.restore.recovery import Recovery, RecoveryPhase
    from certline.models.schedule import Schedule, ScheduleRun
    from certline.models.sealing.key_pair import SealingKey
    from certline.models.senders.sender import Sender, SenderKind
    from certline.models.states import (
        CertificateStatus,
        CommandStatus,
        CommandType,
        OrderKind,
        OrderStatus,
        Queue,
    )
    from certline.models.webhook import Webhook, WebhookStatus

__all__ = [
    "Account",
    "AccountStatus",
    "Approval",
    "ApprovalRule",
    "AuditEntry",
    "AuditHead",
    "AuditLink",
    "AuditPatrol",
    "AutoRenewChoice",
    "AutoRenewDecision",
    "AutoRenewRule",
    "AutoRenewRun",
    "AutoRenewSetting",
    "AutoValidation",
    "AutoValidationChoice",
    "AutoValidationDecision",
    "Base",
    "BatchStatus",
    "Breaker",
    "CallKind",
    "Certificate",
    "CertificateStatus",
    "Command",
    "CommandStatus",
    "CommandType",
    "CustomField",
    "Database",
    "DeadLetter",
    "DeadLetterStatus",
    "DnsProvider",
    "Domain",
    "Heartbeat",
    "Hook",
    "ImportRecord",
    "ImportRun",
    "License",
    "Line",
    "LineBackoff",
    "LoginKind",
    "MetricSample",
    "Narrowing",
    "Notice",
    "NoticeRoute",
    "Order",
    "OrderKind",
    "OrderStatus",
    "Organization",
    "Outbox",
    "PrivateKey",
    "Profile",
    "ProviderKind",
    "Queue",
    "RateLimit",
    "Recovery",
    "RecoveryPhase",
    "Redelivery",
    "RenewalBatch",
    "RenewalMember",
    "ReportedRecord",
    "Schedule",
    "ScheduleRun",
    "SealingKey",
    "SecretKey",
    "Sender",
    "SenderKind",
    "Validation",
    "ValidationTold",
    "Webhook",
    "WebhookStatus",
    "every_table",
    "load_tables",
]

# Module -> the names that are imported from it. Every module that declares a table is listed.
PLACES = {
    "accounts.account": ("Account", "AccountStatus", "LoginKind"),
    "accounts.breaker": ("Breaker",),
    "accounts.catalogue": ("CustomField", "Domain", "Organization", "Profile"),
    "accounts.rate_limit": ("CallKind", "RateLimit"),
    "audit.log": ("AuditEntry", "AuditHead", "AuditLink"),
    "audit.patrol": ("AuditPatrol",),
    "certificates.backoff": ("LineBackoff",),
    "certificates.certificate": ("Certificate",),
    "certificates.deploy_hook": ("Hook",),
    "certificates.license": ("License",),
    "certificates.line": ("AutoRenewChoice", "Line"),
    "commands.approval": ("Approval", "ApprovalRule"),
    "commands.command": ("Command",),
    "commands.dead_letter": ("DeadLetter", "DeadLetterStatus"),
    "commands.redelivery": ("Redelivery",),
    "database.base": ("Base",),
    "database.metric_sample": ("MetricSample",),
    "database.session": ("Database",),
    "domains.automation": ("AutoValidation", "AutoValidationChoice", "AutoValidationDecision"),
    "domains.expiry": ("ValidationTold",),
    "domains.provider": ("DnsProvider", "ProviderKind"),
    "domains.validation": ("Validation",),
    "events.outbox": ("Outbox",),
    "heartbeat": ("Heartbeat",),
    "imports.record": ("ImportRecord",),
    "imports.report_row": ("ReportedRecord",),
    "imports.run": ("ImportRun",),
    "key_proof": ("SecretKey",),
    "listing": ("Narrowing",),
    "notices.notice": ("Notice",),
    "notices.route": ("NoticeRoute",),
    "orders.order": ("Order",),
    "orders.private_key": ("PrivateKey",),
    "restore.recovery": ("Recovery", "RecoveryPhase"),
    "renewals.batch": ("BatchStatus", "RenewalBatch", "RenewalMember"),
    "renewals.runs": ("AutoRenewDecision", "AutoRenewRun"),
    "renewals.selection": ("AutoRenewRule", "AutoRenewSetting"),
    "schedule": ("Schedule", "ScheduleRun"),
    "sealing.key_pair": ("SealingKey",),
    "senders.sender": ("Sender", "SenderKind"),
    "states": (
        "CertificateStatus",
        "CommandStatus",
        "CommandType",
        "OrderKind",
        "OrderStatus",
        "Queue",
    ),
    "webhook": ("Webhook", "WebhookStatus"),
}
_MODULES = {name: module for module, names in PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    """Return a name of `PLACES` from its module (PEP 562). Raises AttributeError for any other name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found  # the next use finds it without this function
    return found


@cache
def load_tables() -> None:
    """Import every module that declares a table, once."""
    for module in PLACES:
        import_module(f"{__name__}.{module}")


def every_table() -> "list[Table]":
    """Return all tables, a table before those that refer to it."""
    from certline.models.database.base import Base  # SQLAlchemy, which `--help` does without

    load_tables()
    return Base.metadata.sorted_tables
