"""Registry of the command kinds: their payloads, queues and priorities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certline.models.states import CommandType, Queue

if TYPE_CHECKING:
    from certline.models.commands.payloads import Payload


@dataclass(frozen=True)
class CommandKind:
    """A command kind.

    `payload_name`: the name of its payload's class; `priority`: order in which threads take the messages that a
    process has prefetched, the lowest number first; `one_at_a_time`: a subject (an order, a route of notices) has
    at most one open command of this kind, however often it is requested; `public`: other systems may send it.
    """

    payload_name: str
    queue: Queue
    priority: int = 0
    one_at_a_time: bool = False
    public: bool = True

    @property
    def payload(self) -> type[Payload]:
        """The class of its payload, loaded when it is first asked for: a list of commands needs none."""
        from certline.models.commands import payloads

        found: type[Payload] = getattr(payloads, self.payload_name)
        return found


# Revocations and the like run before everything else, webhooks and imports after everything else (see also
# KeepAThread).
FIRST, LATE, LAST = -10, 5, 10

KINDS: dict[CommandType, CommandKind] = {
    CommandType.SYNC: CommandKind("SyncCommand", Queue.BULK, LAST),
    CommandType.ORDER: CommandKind("OrderCommand", Queue.ORDER),
    CommandType.POLL: CommandKind("PollCommand", Queue.POLL, one_at_a_time=True),
    CommandType.RENEW: CommandKind("RenewCommand", Queue.ORDER),
    CommandType.REISSUE: CommandKind("ReissueCommand", Queue.ORDER),
    CommandType.REVOKE: CommandKind("RevokeCommand", Queue.MANAGE, FIRST),
    CommandType.CANCEL: CommandKind("CancelCommand", Queue.MANAGE, FIRST),
    CommandType.DELETE: CommandKind("DeleteCommand", Queue.MANAGE, FIRST),
    CommandType.IMPORT: CommandKind("ImportCommand", Queue.BULK, LAST),
    CommandType.VALIDATE: CommandKind("ValidateCommand", Queue.POLL),
    # Internal: accepted only from certline itself.
    CommandType.FETCH: CommandKind("FetchCommand", Queue.POLL, one_at_a_time=True, public=False),
    CommandType.RECONCILE: CommandKind(
        "ReconcileCommand", Queue.POLL, one_at_a_time=True, public=False
    ),
    CommandType.IMPORT_BATCH: CommandKind("ImportBatchCommand", Queue.BULK, LAST, public=False),
    CommandType.HOOK: CommandKind("HookCommand", Queue.HOOK, LATE, public=False),
    CommandType.WEBHOOK: CommandKind("WebhookCommand", Queue.WEBHOOK, LAST, public=False),
    CommandType.NOTIFY: CommandKind(
        "NotifyCommand", Queue.WEBHOOK, LAST, one_at_a_time=True, public=False
    ),
    CommandType.DNS_TEST: CommandKind("DnsTestCommand", Queue.WEBHOOK, LAST, public=False),
}

# Kinds of which an order (or a route of notices) has at most one open command; enforced by the index
# `command_open_step`, whose SQL names them in this order.
ONE_AT_A_TIME = tuple(name for name, kind in KINDS.items() if kind.one_at_a_time)
# Names of the commands that other systems may send (docs/commands-in.md).
PUBLIC = tuple(name.value for name, kind in KINDS.items() if kind.public)
