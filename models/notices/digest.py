"""The daily digest: what was renewed, what will be, and what waits for a person, with what to type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.deploy_hook import runs_that_matter
from certline.models.commands.approval import waiting
from certline.models.commands.command import OPEN, Command
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.database.session import clock
from certline.models.notices.news import DIGEST
from certline.models.notices.notice import notices_parked, tell_route
from certline.models.notices.route import routes
from certline.models.notices.words import MOST_NAMED, clean, minute, typed
from certline.models.orders.order import Order
from certline.models.renewals.endings import endings
from certline.models.states import CertificateStatus, CommandStatus, OrderKind, OrderStatus
from certline.models.webhook import IS_DELIVERY, deliveries_parked

# What a digest looks back on, and ahead to.
BACK, AHEAD = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class Waits:
    """Something that waits for a person: how many, of what, and what to type."""

    count: int
    words: str
    command: str


@dataclass(frozen=True)
class Digest:
    """A day's digest. `renewed` and `planned`: their number, and the first names."""

    at: datetime
    renewed: tuple[int, Sequence[str]]
    planned: tuple[int, Sequence[str]]
    waits: Sequence[Waits] = field(default=())

    @property
    def title(self) -> str:
        """The digest in a line."""
        waits = sum(each.count for each in self.waits)
        told = f"{waits} wait for a person" if waits else "nothing waits for a person"
        return f"{self.renewed[0]} renewed, {self.planned[0]} planned, {told}"

    @property
    def text(self) -> str:
        """The whole digest."""
        parts = [
            _counted(self.renewed, "renewed or reissued since yesterday", "Nothing was renewed"),
            _counted(self.planned, "renewed within 7 days, by themselves", "No renewal is planned"),
        ]
        if self.waits:
            lines = [f"- {each.count} {each.words}\n    {each.command}" for each in self.waits]
            parts.append("\n".join(["Waiting for a person:", *lines]))
        else:
            parts.append("Nothing waits for a person.")
        return "\n\n".join([*parts, f"As of {minute(self.at)}."])


def _counted(found: tuple[int, Sequence[str]], words: str, nothing: str) -> str:
    count, names = found
    if not count:
        return f"{nothing}."
    rest = f" and {count - len(names)} more" if count > len(names) else ""
    return f"{count} {words}: {', '.join(names)}{rest}."


def send_digests(db: Session) -> dict[str, int]:
    """Store a digest for each route that gets one. Returns counts for the schedule's log."""
    wanted = [route for route in routes(db) if route.digest]
    if not wanted:
        return {"digests": 0}
    found = digest(db)
    facts = {"title": found.title, "text": found.text}
    # The time is the key: a run by hand is another digest.
    key = f"{DIGEST}:{found.at.isoformat()}"
    return {"digests": sum(tell_route(db, route, DIGEST, key, facts) for route in wanted)}


def digest(db: Session) -> Digest:
    """Return the digest as of now."""
    now = clock(db)
    renewed = select(Certificate.common_name).join(Order, Order.id == Certificate.order_id)
    # If a profile allows no renewal, a new order with a predecessor is sent instead; it counts as a renewal too.
    renewed = renewed.where(
        Certificate.created_at > now - BACK,
        Order.predecessor_id.is_not(None),
        Order.kind != OrderKind.IMPORT,
    )
    planned = select(Certificate.common_name).where(
        Certificate.status == CertificateStatus.ACTIVE,
        Certificate.auto_renew,
        Certificate.renews_at.between(now - BACK, now + AHEAD),
    )
    return Digest(
        at=now,
        renewed=_first_of(db, renewed, Certificate.created_at),
        planned=_first_of(db, planned, Certificate.renews_at),
        waits=[each for each in _waiting(db) if each.count],
    )


def _first_of(db: Session, query: Select[str], by: Any) -> tuple[int, Sequence[str]]:
    """Return how many names a query finds, and the first of them in the order of a column."""
    count = db.scalar(select(func.count()).select_from(query.subquery())) or 0
    names = db.scalars(query.order_by(by, Certificate.id).limit(MOST_NAMED))
    return count, [clean(name) for name in names]


def _waiting(db: Session) -> list[Waits]:
    def orders(status: OrderStatus) -> int:
        return db.scalar(select(func.count()).where(Order.status == status)) or 0

    review = select(func.count()).where(Command.status == CommandStatus.REVIEW, ~IS_DELIVERY)
    suspended = select(Account.name).where(Account.status == AccountStatus.SUSPENDED)
    ending = endings(db)
    asked = waiting(db)
    hooks = [run for run in runs_that_matter(db) if run.status not in OPEN]
    # What is gravest first: what ends, and what stands still.
    return [
        Waits(
            len(ending),
            f"certificates end soon with nothing under way, the first on "
            f"{ending[0].not_after:%Y-%m-%d}: {_names([each.common_name for each in ending])}"
            if ending
            else "",
            typed("certline certificate renew {id}", {"id": ending[0].certificate_id})
            if ending
            else "",
        ),
        *(
            Waits(
                1,
                f"account is suspended: {clean(name)}",
                typed("certline account verify {name} --new-password", {"name": name}),
            )
            for name in db.scalars(suspended.order_by(Account.name))
        ),
        Waits(
            orders(OrderStatus.REVIEW),
            "orders with an unclear outcome (review)",
            "certline order list --status review",
        ),
        Waits(orders(OrderStatus.HELD), "orders held without a licence", "certline license show"),
        Waits(
            db.scalar(review) or 0,
            "commands in review",
            "certline command list --status review",
        ),
        Waits(
            len(asked),
            f"approvals: {_names([each.request for each in asked])}",
            "certline approval show",
        ),
        Waits(dead_letters_waiting(db), "messages put aside", "certline dead-letter list"),
        Waits(len(hooks), "deploy hooks that failed for good", "certline hook runs --failed"),
        Waits(
            deliveries_parked(db),
            "events that could not be posted to webhooks",
            "certline webhook deliveries --status review",
        ),
        Waits(notices_parked(db), "notices that could not be sent", "certline notify list"),
    ]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(clean(name) for name in names[:MOST_NAMED])
    rest = len(names) - MOST_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown
