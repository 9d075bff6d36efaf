"""The AsyncAPI 3.0 document of our commands and events, generated from the models that validate the messages.

`make asyncapi` writes `docs/asyncapi.yaml` for programs and `docs/asyncapi.md` for people.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from certline.models.commands.envelope import Envelope
from certline.models.commands.kinds import KINDS, PUBLIC, CommandType
from certline.models.events.envelope import EVENT_DATA, EventEnvelope, schema_of
from certline.models.events.outbox import COMMANDS, EVENTS
from tools.asyncapi import examples
from tools.asyncapi.page import page
from tools.asyncapi.yaml import as_yaml

# Version of the interface, not of certline. Patch: wording only. Minor: fields or messages were added.
# Major: senders or receivers have to change something.
VERSION = "1.0.0"
BINDINGS = "0.3.0"
SCHEMAS = "#/components/schemas/"

Json = dict[str, Any]


def document() -> Json:
    """Return the AsyncAPI document: every command and event with channel, operation, schema and examples."""
    schemas: Json = {}
    messages = {f"commands.{name}": _command(name, schemas) for name in PUBLIC}
    messages |= {f"events.{kind}": _event(kind, schemas) for kind in EVENT_DATA}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "certline",
            "version": VERSION,
            "description": (
                "Commands that certline accepts from other systems over RabbitMQ, and events that "
                "it publishes. Both are CloudEvents 1.0 in structured JSON."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": examples.MEDIA_TYPE,
        "servers": {
            "rabbitmq": {
                "host": "rabbitmq.example:5671",
                "protocol": "amqps",
                "protocolVersion": "0-9-1",
                "description": "The RabbitMQ of this installation. Each system has a user of its own.",
                "security": [{"type": "userPassword"}],
            }
        },
        "channels": {
            **{f"commands.{name}": _channel(COMMANDS, "direct", name) for name in PUBLIC},
            **{f"events.{kind}": _channel(EVENTS, "topic", kind) for kind in EVENT_DATA},
        },
        "operations": {
            **{f"take.{name}": _taking(name) for name in PUBLIC},
            **{f"tell.{kind}": _telling(kind) for kind in EVENT_DATA},
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def texts() -> dict[str, str]:
    """Return the texts of the generated files, by file name in `docs/`."""
    whole = document()
    made = "# Made by `make asyncapi` from the code that checks the messages; not to be edited.\n"
    return {"asyncapi.yaml": made + as_yaml(whole), "asyncapi.md": page(whole)}


def _channel(exchange: str, kind: str, key: str) -> Json:
    door = "commands" if exchange == COMMANDS else "events"
    return {
        "address": key,
        "messages": {key: {"$ref": f"#/components/messages/{door}.{key}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": kind, "durable": True, "autoDelete": False},
                "bindingVersion": BINDINGS,
            }
        },
    }


def _taking(name: str) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/commands.{name}"},
        "summary": _summary(KINDS[CommandType(name)].payload),
        # Only a rejection is a direct reply; the result of a command is published as separate events.
        "reply": {"channel": {"$ref": "#/channels/events.command.rejected"}},
        "bindings": {
            "amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": BINDINGS}
        },
    }


def _telling(kind: str) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/events.{kind}"},
        "summary": _summary(EVENT_DATA[kind]),
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": False, "bindingVersion": BINDINGS}},
    }


def _command(name: str, schemas: Json) -> Json:
    payload = KINDS[CommandType(name)].payload
    envelope = _schema(Envelope, {})
    own = {
        "id": {"type": "string", "format": "uuid", "description": "the command's id"},
        "type": {"const": f"certline.command.{name}.v1"},
        "data": _noted(payload, schemas),
    }
    envelope["properties"] |= own
    # CloudEvents' rule for the names of extension attributes.
    envelope["propertyNames"] = {"pattern": "^[a-z0-9]+$"}
    return {
        "name": f"certline.command.{name}.v1",
        "summary": _summary(payload),
        "contentType": examples.MEDIA_TYPE,
        "correlationId": {"location": "$message.payload#/id"},
        "payload": envelope,
        "examples": [{"payload": example} for example in examples.commands()[name]],
    }


def _event(kind: str, schemas: Json) -> Json:
    data = EVENT_DATA[kind]
    envelope = _open(_schema(EventEnvelope, {}))
    own = {
        "type": {"const": kind, "description": "also the routing key"},
        "dataschema": {"const": schema_of(kind), "description": "the version of the data"},
        "data": _noted(data, schemas, to_receive=True),
    }
    envelope["properties"] |= own
    return {
        "name": kind,
        "summary": _summary(data),
        "contentType": examples.MEDIA_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": envelope,
        "examples": [{"payload": examples.events()[kind]}],
    }


def _noted(model: type[BaseModel], schemas: Json, *, to_receive: bool = False) -> Json:
    """Add a model's schema, and those it refers to, to `schemas`; return a reference to it."""
    found: Json = {}
    found[model.__name__] = _schema(model, found)
    schemas |= {name: _open(schema) if to_receive else schema for name, schema in found.items()}
    return {"$ref": SCHEMAS + model.__name__}


def _schema(model: type[BaseModel], inner: Json) -> Json:
    schema = model.model_json_schema(ref_template=SCHEMAS + "{model}")
    inner |= schema.pop("$defs", {})
    whole: Json = _untitled(schema)
    return whole


def _untitled(schema: Any, *, names: bool = False) -> Any:
    """Return the schema without pydantic's titles, which only repeat the names."""
    # Under `properties`, "title" is the name of a field, hence `names`.
    if isinstance(schema, dict):
        return {
            name: _untitled(value, names=name == "properties")
            for name, value in schema.items()
            if names or name != "title" or not isinstance(value, str)
        }
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema


def _open(schema: Json) -> Json:
    """Return a receiver's schema: fields may be added within a version, and receivers have to ignore them."""
    return {name: value for name, value in schema.items() if name != "additionalProperties"}


def _summary(model: type[BaseModel]) -> str:
    paragraphs = (model.__doc__ or "").split("\n\n")
    return " ".join(" ".join(paragraphs).split())


def main() -> None:
    """Write the files into `docs/` of the current directory."""
    for name, text in texts().items():
        (Path("docs") / name).write_text(text, encoding="utf-8")
