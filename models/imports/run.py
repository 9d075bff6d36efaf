"""State of an import while it runs: where reading SCM's lists resumes, and what became of the records so far."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, func, select
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from certline.models.accounts.account import Account
from certline.models.audit.log import AuditEntry
from certline.models.commands.command import Command
from certline.models.database.base import Base
from certline.models.imports.record import News, RecordStatus
from certline.models.orders.order import Order
from certline.models.states import CommandType, OrderStatus

# Fields of the result that only a running import needs; its final result is without them.
RESUMING = frozenset(
    {"first", "listing", "look", "position", "batches", RecordStatus.WAITING.value}
)


class ImportRun(Base):
    """State of one import, with a count for each RecordStatus and each kind of News.

    The row is created when the import starts and stays when it has ended. Its command's `result` is null until
    the import ends, and then has the counts.
    """

    __tablename__ = "import_run"

    command_id: Mapped[str] = mapped_column(
        UUID(as_uuid=False), ForeignKey("command.id", ondelete="CASCADE"), primary_key=True
    )
    # The account's name.
    account: Mapped[str]
    # No order of the account was stored when the import started.
    first: Mapped[bool]
    # SCM's lists are not read to their end yet.
    listing: Mapped[bool]
    # Reading resumes in the list of this number, at this offset.
    look: Mapped[int]
    position: Mapped[int]
    # SCM's report has been read, or is not worth it. Until then: the day up to which it is still to be read, and
    # how many days at once; None and 0 at the beginning.
    reported: Mapped[bool]
    report_to: Mapped[date | None]
    report_days: Mapped[int]
    # Records that SCM reports; BigInteger, because the number is SCM's and may be nonsense of 18 digits.
    total: Mapped[int | None] = mapped_column(BigInteger)
    listed: Mapped[int]
    # Batches made so far; also the number of the newest one.
    batches: Mapped[int]

    waiting: Mapped[int]
    known: Mapped[int]
    new: Mapped[int]
    stored: Mapped[int]
    held: Mapped[int]
    pending: Mapped[int]
    closed: Mapped[int]
    updated: Mapped[int]
    left: Mapped[int]
    failed: Mapped[int]

    news_new: Mapped[int]
    news_replaced: Mapped[int]
    news_renewed: Mapped[int]
    news_revoked: Mapped[int]
    news_auto_renew: Mapped[int]

    # The first failures, with sslId and reason; `import_record` has all of them.
    failures: Mapped[list[dict[str, Any]]]

    def count(self, records: Mapping[RecordStatus, int], news: Counter[News] | None = None) -> None:
        """Add these numbers, which may be negative, to the counts."""
        for status, number in records.items():
            setattr(self, status.value, getattr(self, status.value) + number)
        for kind, number in (news or {}).items():
            setattr(self, _news(kind), getattr(self, _news(kind)) + number)

    def result(self) -> dict[str, Any]:
        """Return the state as it is shown while the import runs."""
        return {
            "account": self.account,
            "first": self.first,
            "listing": self.listing,
            "look": self.look,
            "position": self.position,
            "total": self.total,
            "listed": self.listed,
            "batches": self.batches,
            **{status.value: getattr(self, status.value) for status in RecordStatus},
            "news": {kind.value: getattr(self, _news(kind)) for kind in News},
            "failures": self.failures,
        }

    def final_result(self) -> dict[str, Any]:
        """Return the result of an import that has ended: the counts, without the fields needed to resume it."""
        return {name: value for name, value in self.result().items() if name not in RESUMING}


def new_run(command_id: str, account: str, *, first: bool) -> ImportRun:
    """Return the state of an import that has not read anything yet."""
    counts = [status.value for status in RecordStatus] + [_news(kind) for kind in News]
    return ImportRun(
        command_id=command_id,
        account=account,
        first=first,
        listing=True,
        look=0,
        position=0,
        reported=False,
        report_days=0,
        listed=0,
        batches=0,
        failures=[],
        **dict.fromkeys(counts, 0),
    )


def locked_run(db: Session, command_id: str) -> ImportRun:
    """Lock and return an import's state: until the transaction ends, no other one changes it."""
    # Lock order of an import: orders, import records, the import_run row, and last the import's command row.
    # A transaction that holds the command row must not lock an import_run row that exists.
    return db.get_one(ImportRun, command_id, with_for_update=True, populate_existing=True)


def import_began(db: Session, order_id: str) -> datetime | None:
    """Return when the import that recorded an order was requested, or None if that is not known any more."""
    began = (
        select(Command.created_at)
        .join(AuditEntry, AuditEntry.command_id == Command.id)
        .where(AuditEntry.subject == order_id, AuditEntry.type == "order.imported")
    )
    return db.scalars(began.limit(1)).first()


def show_progress(db: Session, commands: Sequence[Command]) -> None:
    """Give the commands of imports that have not ended the state so far as their result, to display it.

    Nothing is written: the results in the database stay null.
    """
    going = {
        command.id: command
        for command in commands
        if command.type is CommandType.IMPORT and command.result is None
    }
    if not going:
        return
    for run in db.scalars(select(ImportRun).where(ImportRun.command_id.in_(going))):
        shown = {**run.result(), "news": _as_jsonb(run.result()["news"])}
        # set_committed_value: a plain assignment would be stored by the next flush.
        set_committed_value(going[run.command_id], "result", _as_jsonb(shown))


def still_held(db: Session, command: Command) -> int:
    """Return how many of the account's orders that an import was asked for are held by the licence now.

    Orders that an earlier import recorded are among them: those are only counted as known.
    """
    from certline.models.commands.payloads import ImportCommand, read_payload

    run = db.get(ImportRun, command.id)
    if run is None:
        return 0
    wanted = read_payload(ImportCommand, command.payload)
    question = (
        select(func.count())
        .select_from(Order)
        .join(Account, Account.id == Order.account_id)
        .where(Account.name == run.account, Order.status == OrderStatus.HELD)
    )
    if wanted.order:
        question = question.where(Order.scm_id.in_(wanted.order))
    if wanted.common_name is not None:
        question = question.where(Order.common_name == wanted.common_name)
    if wanted.status is not None:
        question = question.where(func.lower(Order.scm_status) == wanted.status.lower())
    for given, own_id, name in (
        (wanted.organization, Order.organization_id, Order.organization_name),
        (wanted.profile, Order.profile_id, Order.profile_name),
    ):
        if given is None:
            continue
        is_id = str(given).isdecimal()
        question = question.where(
            own_id == int(given) if is_id else func.lower(name) == str(given).lower()
        )
    return db.scalar(question) or 0


def _news(kind: News) -> str:
    return f"news_{kind.value}"


def _as_jsonb(facts: Mapping[str, Any]) -> dict[str, Any]:
    # In the order of keys in which Postgres returns JSONB, so that fields keep their places when it has ended.
    return dict(sorted(facts.items(), key=lambda fact: (len(fact[0]), fact[0])))
