"""Registry of the command kinds: their payloads, queues and priorities."""

from dataclasses import dataclass
from enum import StrEnum

from certline.models.commands import payloads
from certline.models.commands.payloads import Payload
from certline.models.events.outbox import Queue


class CommandType(StrEnum):
    """Name of a command kind; also the name of its actor."""

    SYNC = "sync"
    ORDER = "order"
    POLL = "poll"
    FETCH = "fetch"
    RECONCILE = "reconcile"
    RENEW = "renew"
    REISSUE = "reissue"
    REVOKE = "revoke"
    IMPORT = "import"
    IMPORT_BATCH = "import_batch"
    CANCEL = "cancel"
    DELETE = "delete"
    HOOK = "hook"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class CommandKind:
    """A command kind. `priority`: order in which threads take the messages that a process has prefetched, the
    lowest number first; `one_at_a_time`: an order has at most one open command of this kind, however often
    the sweep or a user requests it; `public`: other systems may send it.
    """

    payload: type[Payload]
    queue: Queue
    priority: int = 0
    one_at_a_time: bool = False
    public: bool = True


# Revocations and the like run before everything else, webhooks and imports after everything else (see also
# KeepAThread).
FIRST, LATE, LAST = -10, 5, 10

KINDS: dict[CommandType, CommandKind] = {
    CommandType.SYNC: CommandKind(payloads.SyncCommand, Queue.BULK, LAST),
    CommandType.ORDER: CommandKind(payloads.OrderCommand, Queue.ORDER),
    CommandType.POLL: CommandKind(payloads.PollCommand, Queue.POLL, one_at_a_time=True),
    CommandType.RENEW: CommandKind(payloads.RenewCommand, Queue.ORDER),
    CommandType.REISSUE: CommandKind(payloads.ReissueCommand, Queue.ORDER),
    CommandType.REVOKE: CommandKind(payloads.RevokeCommand, Queue.MANAGE, FIRST),
    CommandType.CANCEL: CommandKind(payloads.CancelCommand, Queue.MANAGE, FIRST),
    CommandType.DELETE: CommandKind(payloads.DeleteCommand, Queue.MANAGE, FIRST),
    CommandType.IMPORT: CommandKind(payloads.ImportCommand, Queue.BULK, LAST),
    # Internal: accepted only from certline itself.
    CommandType.FETCH: CommandKind(
        payloads.FetchCommand, Queue.POLL, one_at_a_time=True, public=False
    ),
    CommandType.RECONCILE: CommandKind(
        payloads.ReconcileCommand, Queue.POLL, one_at_a_time=True, public=False
    ),
    CommandType.IMPORT_BATCH: CommandKind(
        payloads.ImportBatchCommand, Queue.BULK, LAST, public=False
    ),
    CommandType.HOOK: CommandKind(payloads.HookCommand, Queue.HOOK, LATE, public=False),
    CommandType.WEBHOOK: CommandKind(payloads.WebhookCommand, Queue.WEBHOOK, LAST, public=False),
}

# Kinds of which an order has at most one open command; enforced by the index `command_open_step`, whose SQL
# names them in this order.
ONE_AT_A_TIME = tuple(name for name, kind in KINDS.items() if kind.one_at_a_time)
# Names of the commands that other systems may send (docs/commands-in.md).
PUBLIC = tuple(name.value for name, kind in KINDS.items() if kind.public)
