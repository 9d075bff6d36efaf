"""The database tables, their statuses with the legal moves, and the queries on them."""

from models.account import Account, AccountStatus, LoginKind
from models.auto_renewal import AutoRenewChoice, AutoRenewRule, AutoRenewSetting
from models.auto_renewal_audit import AutoRenewDecision, AutoRenewRun
from models.base import Base
from models.breaker import Breaker
from models.catalogue import CustomField, Domain, Organization, Profile
from models.certificate import Certificate, CertificateStatus, Line
from models.command import Command, CommandStatus, CommandType
from models.dead_letter import DeadLetter, DeadLetterStatus
from models.event import Event, EventHead, EventLink
from models.hook import Hook
from models.import_record import ImportRecord
from models.license import License
from models.lists import Narrowing  # its module defines indexes of the tables
from models.order import Order, OrderKind, OrderStatus
from models.outbox import Outbox, Queue
from models.pace import CallKind, Pace
from models.private_key import PrivateKey
from models.renewal_backoff import LineBackoff
from models.renewal_batch import BatchStatus, RenewalBatch, RenewalMember
from models.schedule import Schedule, ScheduleRun
from models.session import Database
from models.webhook import Webhook, WebhookStatus

__all__ = [
    "Account",
    "AccountStatus",
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
    "Event",
    "EventHead",
    "EventLink",
    "Hook",
    "ImportRecord",
    "License",
    "Line",
    "LineBackoff",
    "LoginKind",
    "Narrowing",
    "Order",
    "OrderKind",
    "OrderStatus",
    "Organization",
    "Outbox",
    "Pace",
    "PrivateKey",
    "Profile",
    "Queue",
    "RenewalBatch",
    "RenewalMember",
    "Schedule",
    "ScheduleRun",
    "Webhook",
    "WebhookStatus",
]
