"""The database tables, their statuses with the legal moves, and the queries on them."""

from certline.models.accounts.account import Account, AccountStatus, LoginKind
from certline.models.accounts.breaker import Breaker
from certline.models.accounts.catalogue import CustomField, Domain, Organization, Profile
from certline.models.accounts.rate_limit import CallKind, RateLimit
from certline.models.audit.log import AuditEntry, AuditHead, AuditLink
from certline.models.certificates.backoff import LineBackoff
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.deploy_hook import Hook
from certline.models.certificates.license import License
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.commands.approval import Approval, ApprovalRule
from certline.models.commands.command import Command, CommandStatus
from certline.models.commands.dead_letter import DeadLetter, DeadLetterStatus
from certline.models.commands.kinds import CommandType
from certline.models.commands.redelivery import Redelivery
from certline.models.database.base import Base
from certline.models.database.metric_sample import MetricSample
from certline.models.database.session import Database
from certline.models.events.outbox import Outbox, Queue
from certline.models.heartbeat import Heartbeat
from certline.models.imports.record import ImportRecord
from certline.models.imports.run import ImportRun
from certline.models.key_proof import SecretKey
from certline.models.listing import Narrowing
from certline.models.orders.order import Order
from certline.models.orders.private_key import PrivateKey
from certline.models.renewals.batch import BatchStatus, RenewalBatch, RenewalMember
from certline.models.renewals.runs import AutoRenewDecision, AutoRenewRun
from certline.models.renewals.selection import AutoRenewRule, AutoRenewSetting
from certline.models.schedule import Schedule, ScheduleRun
from certline.models.sealing.key_pair import SealingKey
from certline.models.senders.sender import Sender, SenderKind
from certline.models.states import CertificateStatus, OrderKind, OrderStatus
from certline.models.webhook import Webhook, WebhookStatus

__all__ = [
    "Account",
    "AccountStatus",
    "Approval",
    "ApprovalRule",
    "AuditEntry",
    "AuditHead",
    "AuditLink",
    "AutoRenewChoice",
    "AutoRenewDecision",
    "AutoRenewRule",
    "AutoRenewRun",
    "AutoRenewSetting",
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
    "Order",
    "OrderKind",
    "OrderStatus",
    "Organization",
    "Outbox",
    "PrivateKey",
    "Profile",
    "Queue",
    "RateLimit",
    "Redelivery",
    "RenewalBatch",
    "RenewalMember",
    "Schedule",
    "ScheduleRun",
    "SealingKey",
    "SecretKey",
    "Sender",
    "SenderKind",
    "Webhook",
    "WebhookStatus",
]
