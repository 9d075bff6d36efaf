"""The whole world after a run, checked at once: what SCM holds, what the tables say, what was told.

Every check answers sentences about what is wrong; a test asserts that there are none.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from models import (
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Event,
    Order,
    OrderStatus,
    Outbox,
)
from models import Line as ManagedLine
from models.audit import breaks_in
from models.command import ENDED
from models.command import OPEN as OPEN_COMMANDS
from models.dead_letter import dead_letters_waiting
from models.license import license_use
from models.order import MOVES, OrderKind
from models.ordering import TOLD
from models.outbox import EVENTS
from models.private_key import PrivateKey
from models.vault import Vault
from workers.keys import key_pair
from workers.keys.chain import read_certificates

FINAL = frozenset({OrderStatus.STORED, OrderStatus.REJECTED, OrderStatus.CANCELLED})
# Before it, SCM surely has no record of the order; after it, surely one.
UNSENT = frozenset({OrderStatus.PLACED})
UNCLEAR = frozenset({OrderStatus.SENDING, OrderStatus.REVIEW})
# The kinds of orders that make a record at SCM; a reissue shares that of its predecessor.
ORDERED = (OrderKind.NEW, OrderKind.RENEWAL, OrderKind.IMPORT)

REVIEWED = f"order.{OrderStatus.REVIEW}"

# The step that an order in this state waits for.
NEXT = {OrderStatus.PENDING: CommandType.POLL, OrderStatus.ISSUED: CommandType.FETCH}


@dataclass(frozen=True)
class Expected:
    """What the test asked for, and what it allows to be there at the end.

    `rests`: states that are not final, and are right for these orders. `letters`: messages that had
    to end as dead letters.
    """

    names: Collection[str]
    rests: Collection[OrderStatus] = ()
    letters: int = 0


@dataclass(frozen=True)
class World:
    """What there is at the end of a run. `heard`: the ids of the events that a listener got."""

    expected: Expected
    at_scm: list[dict[str, Any]]
    heard: list[str]
    waiting: dict[str, int] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)


# A check answers sentences about what is wrong.
Check = Callable[[Session, World, Vault], Iterator[str]]


def faults_of(db: Session, world: World, vault: Vault) -> list[str]:
    """Everything that is wrong, as sentences."""
    return [fault for check in CHECKS for fault in check(db, world, vault)]


def orders_at_scm(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """One record at SCM for each order that was asked for, and no other."""
    asked = Counter(world.expected.names)
    # A renewal that its profile doesn't allow becomes a new order, and keeps its predecessor.
    ours = select(Order).where(Order.kind == OrderKind.NEW, Order.predecessor_id.is_(None))
    placed = Counter(order.common_name for order in db.scalars(ours))
    for name in sorted(set(asked) | set(placed)):
        if placed[name] != asked[name]:
            yield f"{name} was asked for {asked[name]} times and placed {placed[name]} times"
    owners = Counter(
        order.scm_id
        for order in db.scalars(select(Order).where(Order.kind.in_(ORDERED)))
        if order.scm_id is not None
    )
    unclear = _unclear_references(db)
    for record in world.at_scm:
        owned = owners.pop(record["sslId"], 0)
        story = f"SCM's order {record['sslId']} ({record['commonName']}, {record.get('comments')})"
        if owned > 1:
            yield f"{story} belongs to {owned} orders of ours"
        elif not owned and not _may_be_there(record, unclear):
            yield f"{story} is one too many: no order of ours knows it"
    for scm_id in owners:
        yield f"SCM has no order {scm_id}, which one of ours says it has"
    names = {record["sslId"]: record["commonName"] for record in world.at_scm}
    for order in db.scalars(select(Order).where(Order.kind.in_(ORDERED))):
        if order.scm_id in names and names[order.scm_id] != order.common_name:
            yield f"SCM's order {order.scm_id} is for {names[order.scm_id]}, ours for {order.common_name}"


def each_reissue_is_one_replacement(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """SCM made a certificate anew as often as we have a reissue of it."""
    reissues = list(db.scalars(select(Order).where(Order.kind == OrderKind.REISSUE)))
    done = Counter(order.scm_id for order in reissues if order.status not in UNCLEAR | UNSENT)
    for record in world.at_scm:
        number, made = record["sslId"], record.get("replacements", 0)
        if made != done[number] and not any(order.status in UNCLEAR for order in reissues):
            yield f"SCM replaced {number} {made} times, and {done[number]} reissues of ours did"


def _unclear_references(db: Session) -> set[str]:
    resting = db.scalars(select(Order).where(Order.status.in_(UNCLEAR)))
    return {order.reference for order in resting}


def _may_be_there(record: dict[str, Any], unclear: set[str]) -> bool:
    """Whether it is the one of an order that rests; a second one of the same finds it taken."""
    mine = {reference for reference in unclear if reference in (record.get("comments") or "")}
    unclear -= mine
    return bool(mine)


def every_intent_is_final_or_due(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Each order has come to its end, or rests where the test says so, and then its next step is due."""
    for order in db.scalars(select(Order)):
        if order.status in FINAL:
            continue
        if order.status not in world.expected.rests:
            yield f"order {order.id} ({order.common_name}) is {order.status}: {order.error}"
        step = NEXT.get(order.status)
        if step is not None and not _is_open(db, step, order.id):
            yield f"order {order.id} is {order.status}, and no {step} is on its way"
        if order.status is OrderStatus.PLACED and not _is_open(db, None, order.id):
            yield f"order {order.id} is placed, and its command will not send it"
    for command in db.scalars(select(Command).where(Command.status.not_in(ENDED))):
        if not _rests(db, command, world.expected):
            yield f"{command.type} {command.id} is still {command.status}: {command.error}"
    for command in db.scalars(select(Command).where(Command.status == CommandStatus.FAILED)):
        if not _may_fail(db, command):
            yield f"{command.type} {command.id} has failed: {command.error}"


def _may_fail(db: Session, command: Command) -> bool:
    """Whether a failure is one of the story: the order was refused, cancelled, deleted or issued
    before it could be cancelled, or was put before a person.
    """
    deleted = select(func.count()).where(
        Event.subject == command.subject, Event.type == "order.deleted"
    )
    if command.type is CommandType.CANCEL or db.scalar(deleted):
        return True
    query = select(Order).where(or_(Order.command_id == command.id, Order.id == command.subject))
    order = db.scalar(query)
    asked = select(func.count()).where(Event.subject == command.subject, Event.type == REVIEWED)
    over = (OrderStatus.REJECTED, OrderStatus.CANCELLED)
    return order is not None and (order.status in over or bool(db.scalar(asked)))


def _is_open(db: Session, step: CommandType | None, order_id: str) -> bool:
    query = select(func.count()).where(
        Command.subject == order_id, Command.status.in_(OPEN_COMMANDS)
    )
    return bool(db.scalar(query if step is None else query.where(Command.type == step)))


def _rests(db: Session, command: Command, expected: Expected) -> bool:
    """Whether a command waits for an order that may rest."""
    order = db.get(Order, command.subject or "")
    return order is not None and order.status in expected.rests


def keys_match_their_certificates(db: Session, _world: World, vault: Vault) -> Iterator[str]:
    """The key in the vault is the one that the stored leaf was made for."""
    rows = db.execute(
        select(Certificate, PrivateKey, Order)
        .join(Order, Certificate.order_id == Order.id)
        .outerjoin(PrivateKey, Certificate.key_id == PrivateKey.id)
    )
    for certificate, key, order in rows:
        (leaf,) = read_certificates(certificate.leaf.encode())
        wanted = key_pair.public_key_sha256(leaf.public_key())
        if order.kind is OrderKind.IMPORT:
            continue  # its key is with whoever ordered it
        if key is None:
            yield f"certificate {certificate.id} ({certificate.common_name}) has no key"
        elif wanted != key_pair.public_key_sha256(
            key_pair.from_pem(vault.open(key.pem_sealed)).public_key()
        ):
            yield f"certificate {certificate.id} is not for the key that is stored with it"
        if order.scm_id != certificate.scm_id or order.certificate_id != certificate.id:
            yield f"certificate {certificate.id} and order {order.id} don't name each other"
    stored = select(Order).where(Order.status == OrderStatus.STORED, Order.certificate_id.is_(None))
    for order in db.scalars(stored):
        yield f"order {order.id} is stored without a certificate"


def events_are_told_once(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """An event for each row of the log that has one, and a listener heard each of them."""
    logged = Counter((row.subject, row.type) for row in db.scalars(select(Event)))
    events = db.scalars(select(Outbox).where(Outbox.exchange == EVENTS)).all()
    told = Counter((row.body.get("subject"), row.routing_key) for row in events)
    kinds = {f"order.{status}": told_as for status, told_as in TOLD.items()}
    kinds |= {"order.placed": "order.placed", "order.stored": "certificate.stored"}
    for order_id in db.scalars(select(Order.id)):
        for in_log, in_event in kinds.items():
            # Placed again after reconciling is a row of the log only.
            most = 1 if in_log == "order.placed" else None
            expected = min(logged[order_id, in_log], most or logged[order_id, in_log])
            if told[order_id, in_event] != expected:
                count = told[order_id, in_event]
                yield f"{in_event} of order {order_id} was told {count} times, not {expected}"
    emitted = {row.event_id for row in events if row.sent_at is not None}
    for event_id in emitted - set(world.heard):
        yield f"event {event_id} was marked sent, and nobody heard it"
    for event_id in set(world.heard) - {row.event_id for row in events}:
        yield f"event {event_id} was heard, and no row of ours has it"


def the_outbox_is_empty(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Nothing is parked, and nothing that is due has not gone out."""
    parked = select(Outbox).where(Outbox.parked_at.is_not(None))
    for row in db.scalars(parked):
        yield f"outbox row {row.id} for {row.routing_key} is parked: {row.last_error}"
    due = select(Outbox).where(Outbox.sent_at.is_(None), Outbox.not_before <= func.now())
    for row in db.scalars(due.where(Outbox.parked_at.is_(None))):
        yield f"outbox row {row.id} for {row.routing_key} is due and has not gone out"


def the_licence_is_exact(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Lines in use are the lines that have a certificate, or one on its way; never above capacity."""
    use = license_use(db)
    if use.used > use.capacity:
        yield f"{use.used} lines are in use, and the licence has {use.capacity}"
    has_certificate = select(Certificate.line_id)
    on_its_way = select(Order.line_id).where(
        Order.status == OrderStatus.ISSUED, Order.line_id.is_not(None)
    )
    stray = select(ManagedLine).where(
        ManagedLine.deleted_at.is_(None),
        ManagedLine.id.not_in(has_certificate),
        ManagedLine.id.not_in(on_its_way),
    )
    for line in db.scalars(stray):
        yield f"line {line.id} ({line.common_name}) is counted and has no certificate"
    twice = (
        select(Certificate.order_id, func.count())
        .group_by(Certificate.order_id)
        .having(func.count() > 1)
    )
    for order_id, count in db.execute(twice):
        yield f"order {order_id} has {count} certificates"


def nothing_waits_at_rabbitmq(_db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Work queues, delays and dead letters are empty."""
    for queue, count in world.waiting.items():
        if count:
            yield f"{count} messages are left in {queue}"


def each_dead_letter_is_kept_once(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """What was put aside for a person is what nobody could take."""
    waiting, expected = dead_letters_waiting(db), world.expected.letters
    if waiting != expected:
        yield f"{waiting} dead letters wait for a person, not {expected}"


def every_thread_lives(_db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """The parts that still run say of themselves that they are well."""
    for part, what in world.sick.items():
        yield f"{part} says: {what}"


def every_move_was_legal(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """What the test's own trigger saw: fences never fall, and states change as the table of moves says."""
    for order_id, was, now, was_fence, fence in db.execute(
        text("SELECT order_id, was, now, was_fence, fence FROM watched ORDER BY id")
    ):
        if fence < was_fence:
            yield f"the fence of order {order_id} fell from {was_fence} to {fence}"
        if was != now and OrderStatus(now) not in MOVES[OrderStatus(was)]:
            yield f"order {order_id} went from {was} to {now}"
        if now == OrderStatus.SENDING and was != now and fence == was_fence:
            yield f"order {order_id} was sent without a new fence"


def the_log_is_whole(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Every entry of the log has its place in the chain, and is what was written."""
    yield from (found.text for found in breaks_in(db))


CHECKS: tuple[Check, ...] = (
    orders_at_scm,
    each_reissue_is_one_replacement,
    every_intent_is_final_or_due,
    keys_match_their_certificates,
    events_are_told_once,
    the_outbox_is_empty,
    the_licence_is_exact,
    nothing_waits_at_rabbitmq,
    each_dead_letter_is_kept_once,
    every_thread_lives,
    every_move_was_legal,
    the_log_is_whole,
)

WATCH = """
CREATE TABLE watched (id bigserial, order_id text, was text, now text, was_fence int, fence int);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watched (order_id, was, now, was_fence, fence)
  VALUES (NEW.id, OLD.status, NEW.status, OLD.fence, NEW.fence);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE OF status, fence ON "order" FOR EACH ROW EXECUTE FUNCTION watch();
"""


def watch(db: Session) -> None:
    """Have Postgres itself keep every move of every order, whoever makes it."""
    db.execute(text(WATCH))
