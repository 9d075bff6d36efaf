"""Commands of other systems: CloudEvents 1.0 in structured JSON, parsed as untrusted input."""

import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
)
from pydantic import StringConstraints as Text

from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.commands.payloads import Payload, read_payload
from certline.models.csr.key_search import MOST_VALUES, is_crowded, private_key_in
from certline.models.csr.private_key import NOTICE, REFUSAL, holds_private_key
from certline.models.events.outbox import COMMANDS
from certline.models.events.trace_context import valid_traceparent
from certline.models.states import CommandType
from certline.models.validation import BadCommandError, problems_of

# Bytes: 256 kB, many times the longest CSR with a thousand names.
LARGEST = 256 * 1024
# Levels of nesting; the deepest field of a command is `data.custom_fields.NAME`.
DEEPEST = 20
TOO_MANY = f"the message has more than {MOST_VALUES} values"
TOO_DEEP = f"the message is nested deeper than {DEEPEST} levels"
TYPE = re.compile(r"certline\.command\.([a-z_]+)\.v1")
# CloudEvents 1.0, "naming conventions": the names that an extension attribute may have.
EXTENSION = re.compile(r"[a-z0-9]+")
# application/json, or a +json type, with or without parameters such as charset.
JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


def command_type(text: str) -> str:
    """Return an event type that carries a public command. Raises ValueError for any other."""
    found = TYPE.fullmatch(text)
    if found is None or found[1] not in PUBLIC:
        known = ", ".join(f"certline.command.{name}.v1" for name in PUBLIC)
        raise ValueError(f"{text[:100]!r} is not a command; there are: {known}")
    return text


def command_id(text: str) -> str:
    """Return a UUID in canonical form. Raises ValueError."""
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError(f"{text[:100]!r} is not a UUID") from None


def where_from(text: str) -> str:
    """Return a source that may be a URI reference: 1 to 255 printable ASCII characters without spaces.

    Raises ValueError.
    """
    if not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError("should be a URI of at most 255 characters, such as //shop.example/orders")
    return text


def in_words(value: object) -> object:
    """Require a time to be a string (RFC 3339): pydantic would accept a number as well. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("should be a time such as 2026-11-23T12:00:00Z")  # noqa: TRY004  # for pydantic
    return value


def json_type(text: str) -> str:
    """Return a media type that denotes JSON. Raises ValueError for any other."""
    if not JSON_TYPE.fullmatch(text.strip()):
        raise ValueError(f"{text[:100]!r} is not application/json")
    return text


Name = Annotated[str, Text(min_length=1, max_length=1024)]


class Envelope(BaseModel):
    """CloudEvents attributes around a command's data. Other attributes count as extensions and are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Literal["1.0"]
    id: Annotated[str, Text(max_length=64), AfterValidator(command_id)]
    source: Annotated[str, Text(max_length=1024), AfterValidator(where_from)]
    type: Annotated[str, Text(max_length=255), AfterValidator(command_type)]
    data: dict[str, Any]
    subject: Name | None = None
    time: Annotated[AwareDatetime, BeforeValidator(in_words)] | None = None
    datacontenttype: Annotated[str, Text(max_length=255), AfterValidator(json_type)] | None = None
    dataschema: Name | None = None
    correlationid: Name | None = None
    # The CloudEvents extension for distributed tracing. A malformed one is ignored, as W3C has it.
    traceparent: Annotated[str | None, BeforeValidator(valid_traceparent)] = None


@dataclass(frozen=True)
class IncomingCommand:
    """Command of another system, validated as far as possible without a database."""

    id: str
    name: str
    source: str
    payload: Payload
    traceparent: str | None = None


def read_body(body: bytes) -> dict[str, Any]:
    """Parse a message body as a JSON object that Postgres can store. Raises BadCommandError."""
    document = parse(body)
    require_storable(document)
    return document


def parse(body: bytes) -> dict[str, Any]:
    """Parse a message body as a JSON object. Raises BadCommandError."""
    if len(body) > LARGEST:
        raise BadCommandError([f"the message has {len(body)} bytes, at most {LARGEST} are allowed"])
    if is_crowded(body):
        raise BadCommandError([TOO_MANY])
    try:
        # The hooks refuse duplicate names, NaN and Infinity, which json.loads would accept.
        document = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unambiguous, parse_constant=_no_number
        )
    except UnicodeDecodeError:
        raise BadCommandError(["the message is not in UTF-8"]) from None
    except RecursionError:
        raise BadCommandError([TOO_DEEP]) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise BadCommandError([f"the message is not JSON: {error.msg} at {where}"]) from None
    except ValueError as error:  # raised by the hooks, or for thousands of digits
        raise BadCommandError([f"the message is not JSON: {error}"[:200]]) from None
    if not isinstance(document, dict):
        raise BadCommandError(["the message should be a JSON object"])
    return document


def read_command(document: dict[str, Any]) -> IncomingCommand:
    """Convert a CloudEvent to a command.

    Raises BadCommandError, which names each bad field, or only the place of a private key.
    """
    # Before anything else: other problems repeat parts of the message.
    place = private_key_in(document)
    if place is not None:
        raise BadCommandError([f"{place}: {REFUSAL}"])
    # CloudEvents 1.0, JSON format: an attribute that is null counts as absent.
    present = {name: value for name, value in document.items() if value is not None}
    problems = _odd_attributes(present)
    try:
        envelope = Envelope.model_validate(present)
    except ValidationError as error:
        raise BadCommandError([*problems_of(error), *problems]) from None
    if problems:
        raise BadCommandError(problems)
    name = envelope.type.split(".")[2]
    try:
        payload = read_payload(KINDS[CommandType(name)].payload, envelope.data, searched=True)
    except BadCommandError as bad:
        fields = [f"data.{problem}" for problem in bad.problems]
        # A problem of the data as a whole has no field: `data.the command: …` becomes `data: …`.
        whole = [problem.replace("data.the command:", "data:", 1) for problem in fields]
        raise BadCommandError(whole) from None
    return IncomingCommand(envelope.id, name, envelope.source, payload, envelope.traceparent)


def id_in(document: dict[str, Any]) -> str | None:
    """Return the command id in a document, or None; the rest of the document may be invalid."""
    try:
        return command_id(document["id"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def traceparent_in_document(document: dict[str, Any]) -> str | None:
    """Return the traceparent in a document, or None; the rest of the document may be invalid."""
    return valid_traceparent(document.get("traceparent"))


def require_storable(document: object) -> None:
    """Check that Postgres can store a JSON document, that it has at most MOST_VALUES, at most DEEPEST levels deep.

    A value is an entry of a list, or a name or a value of an object. Raises BadCommandError.
    """
    # Level by level instead of recursively: a hostile document must not overflow the stack.
    level, count = [document], 0
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for value in level:
            inner += _within(value)
            if count + len(inner) > MOST_VALUES:
                raise BadCommandError([TOO_MANY])
        if not inner:
            return
        level, count = inner, count + len(inner)
    raise BadCommandError([TOO_DEEP])


def in_brief(problems: list[str]) -> list[str]:
    """Shorten problems for storage and display: a hostile message may cause thousands, of any length.

    Returns at most 20 problems of about 300 characters each, and a line with the number of the others.
    """
    told = [_in_brief(problem) for problem in problems[:20]]
    more = len(problems) - len(told)
    return [*told, f"and {more} more"] if more else told


def _in_brief(problem: str) -> str:
    if holds_private_key(problem):  # before it is cut, when the key could no longer be recognised
        return NOTICE
    sound = problem.replace("\0", "?").encode("utf-8", "replace").decode()
    return sound if len(sound) <= 300 else f"{sound[:300]}…"


def _within(value: object) -> list[Any]:
    """Return the values inside a value. Raises BadCommandError if Postgres cannot store the value itself."""
    if isinstance(value, str):
        if "\0" in value:
            raise BadCommandError(["the message contains the character NUL"])
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadCommandError(["the message contains half of a surrogate pair"]) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise BadCommandError(["the message contains a number that is too large"])
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


def _odd_attributes(document: dict[str, Any]) -> list[str]:
    """Return the problems of extension attributes: invalid names, and values that are not scalar."""
    problems = []
    for name, value in document.items():
        if name in Envelope.model_fields:
            continue
        if not EXTENSION.fullmatch(name):
            problems.append(
                f"{name[:100]}: is not a valid attribute name (lower-case letters, digits)"
            )
        elif isinstance(value, dict | list):
            problems.append(f"{name[:100]}: should be a string, a number, or true or false")
    return problems


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing duplicate names: another parser might keep a different one of them."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:100]!r} appears twice in one object")
        found[name] = value
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def incoming_command(body: bytes, exchange: str, routing_key: str) -> IncomingCommand:
    """Return the command in a message body. Raises BadCommandError if type and routing key differ."""
    asked = read_command(read_body(body))
    # A message published straight to the queue has no routing key that names a command.
    if exchange == COMMANDS and routing_key != asked.name:
        raise BadCommandError(
            [f"type: {asked.name!r} arrived with the routing key {routing_key!r}; they must match"]
        )
    return asked
