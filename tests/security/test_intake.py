"""An attacker who may send commands tries to stop the intake of everybody's (review H1)."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any, get_args

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import DecodeError
from dramatiq.middleware import CurrentMessage
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from certline.models import Database, DeadLetter, Queue, Redelivery
from certline.models.audit.identity import Identity
from certline.models.commands.dead_letter import UNREAD, keep
from certline.models.commands.envelope import (
    LARGEST,
    Envelope,
    in_brief,
    incoming_command,
)
from certline.models.commands.kinds import KINDS, PUBLIC, CommandType
from certline.models.commands.redelivery import MOST_REDELIVERIES
from certline.models.csr.key_search import without_private_keys
from certline.models.csr.private_key import NOTICE
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.models.settings import Settings
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.producers import ingress as ingress_module
from certline.producers.ingress import id_of
from certline.producers.messaging.delivery import Delivery
from certline.producers.messaging.poison import PoisonWatch
from certline.producers.messaging.publisher import WireDownError
from certline.producers.requests.dead_letters import replay
from certline.workers.process.broker import DiscreetEncoder, cleanse
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError, named_in
from certline.workers.runtime.redelivery import require_readable
from tests.integration.producers.letters import from_outside, from_work, gave_up
from tests.integration.producers.senders import (
    VAULT,
    an_event,
    commands,
    empty,
    events,
    letters,
    sending,
    taking,
)
from tests.servers import until
from tests.support.factories import a_sender, senders_of_everything
from tests.support.sealed_rows import opened
from tests.support.signing_requests import PRIVATE
from tools.asyncapi.examples import COMMANDS as EXAMPLES

OWN = "0190aaaa-0000-7000-8000-000000000000"
# Seconds of one processor, and runs of which the fastest counts.
LONGEST, RUNS = 0.1, 6
# Texts that make some pattern, codec or conversion slow: what is repeated, until the message has LARGEST bytes.
WORST = {
    "plain": "a",
    "dots of an address": ".",
    "address": "a@b.",
    "labels": "a.",
    "other alphabet": "ü",
    "other alphabet in labels": "ü.",
    "ideographs": "".join(chr(0x4E00 + 300 * n) for n in range(59)) + ".",
    "unordered marks": "a\u0323\u0301\u0327\u0335",
    "right to left": "\u05d0\u0660",
    "punycode": "xn--" + "a" * 59 + ".",
    "groups of IPv6": "1:",
    "digits": "9",
    "blanks": " ",
    "line ends": "\r\n",
    "dashes": "-",
    "backslashes": "\\",
    "quotation marks": '"',
    "controls": "\x1b",
    "percent": "%41",
    "end of PEM": "END ",
    "escapes": "\\u002b",
    "heading of PEM": "--" + "A" * 60,
    "private": "PRIVATE ",
    "request in PEM": "-----BEGIN CERTIFICATE REQUEST-----\n",
    "key in Base64": "MAAAAAAAAAAA ",
    "key in Base64 in Base64": "TUlJRXZRSUJBREFO ",
    "key in hex": "30 " * 22 + "zz ",
    "secret of a JWK": '"d":"aaaa',
    "media type": "+",
    "type": "certline.command.",
    "time": "2026-11-23T12:00:00Z",
    "DER of tiny values": base64.b64encode(b"\x05\x00" * 6000).decode(),
}
SOME = ("ideographs", "other alphabet in labels", "key in Base64")
# Characters of each member of a list, or name of an object, into which a long text is cut.
LENGTHS = (1, 60, 253)
# Bytes that the longest value may have.
ROOM = LARGEST - 4_000


def long_values() -> Iterator[tuple[str, Any]]:
    """Yield (a description, a value) for every worst value of about LARGEST bytes in JSON."""
    for name, unit in WORST.items():
        yield name, filled(partial(times, unit))
        if name in SOME:
            yield f"{name}, as long as a request", (unit * 32_767)[:32_767]
            yield f"{name}, like DER", filled(partial(like_der, unit))
            for length in LENGTHS:
                each = (unit * length)[:length]
                yield f"{name} in texts of {length}", filled(partial(times, [each]))
                yield f"{name} in names of {length}", filled(partial(names_like, each))
                yield f"{name} in entries of {length}", filled(partial(entries_of, each))
    yield "numbers", filled(partial(times, [1]))
    yield "long numbers", filled(partial(times, [10**4000]))
    yield "a long number", int("9" * 4000)
    yield "objects", filled(partial(times, [{}]))
    yield "lists in lists", filled(partial(times, [[[[[[[]]]]]]]))


@cache
def long_texts() -> list[tuple[str, bytes]]:
    """Return the descriptions and the JSON of `long_values`."""
    return [(name, in_json(value)) for name, value in long_values()]


def times(unit: Any, size: int) -> Any:
    """Return a text or a list that is repeated so often."""
    return unit * size


def like_der(unit: str, size: int) -> str:
    """Return a text that begins as DER does in Base64."""
    return "MIIB" + unit * size


def names_like(each: str, size: int) -> dict[str, str]:
    """Return an object with that many different names, which resemble a text."""
    return {f"{each}{n:x}"[-max(len(each), 5) :]: "" for n in range(size)}


def entries_of(each: str, size: int) -> dict[str, str]:
    """Return an object in which that many names have the same text."""
    return {f"{n:x}": each for n in range(size)}


def filled(of_size: Callable[[int], Any]) -> Any:
    """Return a value whose JSON has nearly ROOM bytes; `of_size` returns one of so many units."""
    size = 8
    while (length := len(in_json(of_size(size)))) > ROOM or length < ROOM // 2:
        size = max(1, size * ROOM // length - (size > 100 and length > ROOM))
    return of_size(size)


def in_json(document: Any) -> bytes:
    """Return a document as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the way to every field of a model, and of the models within it."""
    for name, field in model.model_fields.items():
        yield (name,)
        for inner in models_in(field.annotation):
            yield from ((name, *way) for way in fields_of(inner))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from models_in(each)


def a_message(name: str, way: tuple[str, ...], value: bytes) -> bytes:
    """Return a valid command with another value, in JSON, in one field, as bytes of at most LARGEST."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": "0190aaaa-0000-7000-8000-000000000000",
        "source": "//shop.example/orders",
        "type": f"certline.command.{name}.v1",
        "data": dict(EXAMPLES[name][0]),
    }
    place = document
    for step in way[:-1]:
        place = place.setdefault(step, {})
    place[way[-1]] = "(value)"
    body = in_json(document).replace(b'"(value)"', value, 1)
    assert len(body) <= LARGEST
    return body


def read_at_the_ingress(name: str, body: bytes) -> None:
    """Read a message as the ingress does, and what it does with one that it refuses, but for Postgres."""
    try:
        incoming_command(body, COMMANDS, name)
    except BadCommandError as bad:
        in_brief(bad.problems)
        id_of(Delivery(INGRESS, False, {"message_id": ""}, body))
        without_private_keys(body)


def read_at_a_worker(name: str, body: bytes) -> None:
    """Read a message as a worker does that finds it on a work queue."""
    with suppress(BadCommandError, DecodeError):
        named_in(name, (), DiscreetEncoder().decode(body))


def seconds(read: Any, name: str, body: bytes) -> float:
    """Return the processor time of reading a message: of the first run that is fast enough, or of the best one."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.thread_time()
        read(name, body)
        best = min(best, time.thread_time() - began)
        if best < LONGEST:
            break
    return best


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the shop and the users of the tests' RabbitMQ are senders."""
    database = Database(database_url)
    with database.transaction() as db:
        senders_of_everything(db)
        a_sender(db, name="shop", amqp_user="shop")
    yield database
    database.close()


EVERY_FIELD = [
    *(
        (name, ("data", *way))
        for name in PUBLIC
        for way in fields_of(KINDS[CommandType(name)].payload)
    ),
    *((name, ("data", "no_such_field")) for name in PUBLIC[:1]),
    *(("order", way) for way in fields_of(Envelope)),
    ("order", ("extension",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), EVERY_FIELD, ids=str)
def test_256_kb_of_the_worst_text_in_any_field_of_any_command_take_less_than_100_ms(
    name: str, way: tuple[str, ...]
) -> None:
    assert slow_in(read_at_the_ingress, name, way) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_nor_do_they_at_a_worker_that_finds_them_on_a_work_queue(name: str) -> None:
    # The readers differ in what comes before the fields.
    assert slow_in(read_at_a_worker, name, ("data", "account")) == {}


def slow_in(
    read: Callable[[str, bytes], None], name: str, way: tuple[str, ...]
) -> dict[str, float]:
    """Return the worst values with which reading takes too long, and how many seconds."""
    took = {
        described: seconds(read, name, a_message(name, way, value))
        for described, value in long_texts()
    }
    return {described: best for described, best in took.items() if best >= LONGEST}


def test_dots_as_an_address_are_refused_at_once_and_say_why() -> None:
    # 90,000 dots took minutes, and RabbitMQ took the connection for lost.
    body = a_message("order", ("data", "external_requesters"), in_json(["a@" + "." * 90_000 + "@"]))

    with pytest.raises(BadCommandError, match="has 90003 characters, at most 254 are allowed"):
        incoming_command(body, COMMANDS, "order")
    assert seconds(read_at_the_ingress, "order", body) < LONGEST


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("external_requesters", ["a@b.example"] * 101, "at most 100"),
        ("sans", ["a.example"] * 1001, "has 1001 names, at most 1000 are allowed"),
        ("sans", ["\u4e00" * 20 + ".example"] * 200, "give the names in their xn-- form"),
        ("common_name", "a" * 256, "has 256 characters, at most 255 are allowed"),
        ("organization", "a" * 256, "has 256 characters, at most 255 are allowed"),
        ("keystore_password_sealed", "a" * 4097, "has 4097 characters, at most 4096 are allowed"),
        ("custom_fields", {f"{n}": "x" for n in range(101)}, "at most 100"),
    ],
)
def test_what_is_too_long_is_refused_with_the_limit(field: str, value: Any, says: str) -> None:
    with pytest.raises(BadCommandError) as refused:
        incoming_command(a_message("order", ("data", field), in_json(value)), COMMANDS, "order")

    assert any(says in problem for problem in refused.value.problems)


def test_a_thousand_names_and_a_hundred_requesters_are_still_taken() -> None:
    names = [f"shop-{number}.{'x' * 40}.nordhafen.example" for number in range(1000)]
    taken = incoming_command(
        a_message("order", ("data", "sans"), in_json(names)), COMMANDS, "order"
    )

    assert len(taken.payload.model_dump()["sans"]) == 1000


# --- Poison: what is redelivered without end.


class Lost(Exception):
    """Stands for the death of a process, or the loss of its connection, while it reads."""


def redelivered(event: dict[str, Any], **properties: Any) -> Delivery:
    """Return a command as RabbitMQ delivers it again."""
    return replace(from_outside(event, **properties), redelivered=True)


def test_a_message_that_nobody_survives_is_put_aside_unread(database: Database) -> None:
    read: list[str] = []

    def die(delivery: Delivery) -> None:
        read.append(delivery.message_id)
        raise Lost

    handler = PoisonWatch(database, VAULT).over(die)
    poison = an_event()
    with pytest.raises(Lost):
        handler(from_outside(poison, message_id="m1", user_id="shop"))
    for _ in range(MOST_REDELIVERIES - 1):
        # A new watch: the count outlives the process.
        with pytest.raises(Lost):
            PoisonWatch(database, VAULT).over(die)(
                redelivered(poison, message_id="m1", user_id="shop")
            )
    PoisonWatch(database, VAULT).over(die)(redelivered(poison, message_id="m1", user_id="shop"))

    assert len(read) == MOST_REDELIVERIES
    [letter] = letters(database)
    assert "delivered again 5 times" in letter.reason
    assert letter.properties[UNREAD] is True
    [told] = events(database, "command.rejected")
    assert (told["data"]["sender"], told["data"]["message_id"]) == ("shop", "m1")
    # An operator may still have it read.
    assert replay(database, VAULT, letter.id, who=Identity("os:test")) == poison["id"]


def test_what_is_put_aside_unread_holds_no_private_key_in_pem(database: Database) -> None:
    with database.transaction() as db:
        kept = keep(
            db,
            VAULT,
            PRIVATE.encode(),
            source=COMMANDS,
            reason="unread",
            properties={},
            message_id="",
            command_id=None,
            attempts=5,
            unread=True,
        )

    with database.transaction() as db:
        assert opened(VAULT, db.get_one(DeadLetter, kept.id), "body_sealed") == NOTICE.encode()


def test_a_message_is_not_blamed_for_faults_of_ours(database: Database) -> None:
    def fail(_: Delivery) -> None:
        raise OperationalError("", {}, Exception("Postgres is away"))

    handler = PoisonWatch(database, VAULT).over(fail)
    for _ in range(3 * MOST_REDELIVERIES):
        with pytest.raises(OperationalError):
            handler(redelivered(an_event(id=OWN)))

    assert letters(database) == []


def test_a_first_delivery_costs_no_statement(database: Database) -> None:
    PoisonWatch(database, VAULT).over(lambda _: None)(from_outside(an_event()))

    with database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Redelivery)) == 0


def test_a_poison_message_leaves_the_queue_and_an_honest_order_behind_it_is_taken(
    database: Database, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(ingress_module, "LONGEST_PAUSE", 0.01)
    real, poison, honest = ingress_module.take, an_event(), an_event()

    def take(database: Database, vault: Vault, delivery: Delivery, **limits: Any) -> None:
        if poison["id"].encode() in delivery.body:
            raise WireDownError("the connection was lost while it was read")
        real(database, vault, delivery, **limits)

    monkeypatch.setattr(ingress_module, "take", take)
    empty(database.url, vhost)
    with sending(vhost) as sender:
        sender.send(poison)
        sender.send(honest)
        with taking(database, vhost):
            [command] = until(lambda: commands(database), 120)
            [letter] = until(lambda: letters(database), 120)

    assert command.id == honest["id"]
    assert letter.properties[UNREAD] is True


def test_a_whole_command_that_no_worker_survives_is_put_aside_unread(database: Database) -> None:
    context = WorkerContext(database, VAULT, Settings())
    delivery = from_work(an_event("poll"))
    message = WorkMessage(delivery.body)
    with current(message):
        for _ in range(MOST_REDELIVERIES - 1):
            require_readable(context)
        with pytest.raises(RefusedMessageError, match="delivered again 5 times"):
            require_readable(context)

    letter = gave_up(database, delivery)

    assert letter.properties[UNREAD] is True
    assert commands(database) == []


def test_a_message_that_only_names_a_command_is_counted_by_that_command(database: Database) -> None:
    context = WorkerContext(database, VAULT, Settings())
    named = WorkMessage(from_work({"command_id": OWN}).body)

    with current(named):
        for _ in range(3 * MOST_REDELIVERIES):
            require_readable(context)


def test_a_work_message_larger_than_any_of_ours_is_not_parsed() -> None:
    for body in (
        b"[" * 20_000,
        b'"' + b"x" * (LARGEST + 20_000) + b'"',
        b"[" + b"1," * 6_000 + b"1]",
    ):
        with pytest.raises(DecodeError, match="larger than any message of ours"):
            DiscreetEncoder().decode(body)


class WorkMessage(MessageProxy):
    """A work message as RabbitMQ delivers it again."""

    def __init__(self, body: bytes) -> None:
        super().__init__(dramatiq.Message.decode(body))
        cleanse(self._message, Queue.POLL)
        self.redelivered = True


@contextmanager
def current(message: WorkMessage) -> Iterator[None]:
    """Let this thread work on a message, as Dramatiq's middleware does."""
    middleware = CurrentMessage()
    middleware.before_process_message(StubBroker(), message)
    try:
        yield
    finally:
        middleware.after_process_message(StubBroker(), message)
