"""Tables, states and their legal moves, and the questions asked of them."""

from certline.models.account import Account, AccountStatus, LoginKind
from certline.models.auto_renewal import AutoRenewRule, AutoRenewSetting
from certline.models.auto_renewal_audit import AutoRenewDecision, AutoRenewRun
from certline.models.base import Base
from certline.models.breaker import Breaker
from certline.models.catalogue import CustomField, Domain, Organization, Profile
from certline.models.certificate import Certificate
from certline.models.command import Command, CommandStatus, CommandType
from certline.models.dead_letter import DeadLetter, DeadLetterStatus
from certline.models.event import Event, EventHead, EventLink
from certline.models.hook import Hook
from certline.models.import_record import ImportRecord
from certline.models.license import License
from certline.models.line import AutoRenewChoice, Line
from certline.models.lists import Narrowing  # its module has indexes that belong to the tables
from certline.models.order import Order
from certline.models.outbox import Outbox, Queue
from certline.models.pace import CallKind, Pace
from certline.models.private_key import PrivateKey
from certline.models.renewal_backoff import LineBackoff
from certline.models.renewal_batch import BatchStatus, RenewalBatch, RenewalMember
from certline.models.schedule import Schedule, ScheduleRun
from certline.models.session import Database
from certline.models.states import CertificateStatus, OrderKind, OrderStatus
from certline.models.webhook import Webhook, WebhookStatus

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
