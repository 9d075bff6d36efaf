"""Rendering of the AsyncAPI document as a Markdown page."""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

INTRODUCTION = """\
<!-- Made by `make asyncapi` from the code that checks the messages; not to be edited. -->
# Which commands and events are there, field by field?

The same for programs: [asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0). How to send a command:
[commands-in.md](commands-in.md); how to receive events and miss none: [events.md](events.md).
"""
COMMANDS = """
## Commands

Publish to the exchange `certline.commands`, with the command's name as routing key. `type` is
`certline.command.NAME.v1`. Unknown fields are refused.
"""
EVENTS = """
## Events

Published on the exchange `certline.events`, with the type as routing key. Every event has these attributes around
its data:
"""
VERSIONS = """
A field that may be `null` is always present, unless it says "may be missing". Fields may be added within a
version, so ignore those you don't know. A field that changes or is removed makes a new version, with another
`dataschema`.
"""


def page(document: Json) -> str:
    """Return the page as Markdown, ending with a line break."""
    return "\n".join(_parts(document)).rstrip() + "\n"


def _parts(document: Json) -> Iterator[str]:
    schemas, messages = document["components"]["schemas"], document["components"]["messages"]
    commands = {key: each for key, each in messages.items() if key.startswith("commands.")}
    events = {key: each for key, each in messages.items() if key.startswith("events.")}
    yield INTRODUCTION + COMMANDS
    for key, message in commands.items():
        yield f"### `{key.removeprefix('commands.')}`\n\n{message['summary']}\n"
        yield from _table(message["payload"]["properties"]["data"], schemas)
        yield from _example(message["examples"][-1]["payload"])
    yield EVENTS
    yield from _table(next(iter(events.values()))["payload"], schemas, without=("data",))
    yield VERSIONS
    for message in events.values():
        yield f"### `{message['name']}`\n\n{message['summary']}\n"
        yield from _table(message["payload"]["properties"]["data"], schemas)
        yield from _example(message["examples"][0]["payload"])


def _table(schema: Json, schemas: Json, without: tuple[str, ...] = ()) -> Iterator[str]:
    whole = _resolved(schema, schemas)
    needed = whole.get("required", [])
    yield "| field | | |\n|---|---|---|"
    for name, field in whole["properties"].items():
        if name in without:
            continue
        told = [_description(field)]
        if name not in needed:
            told.append(_default(field))
        yield f"| `{name}` | {_kind(field, schemas)} | {'; '.join(filter(None, told))} |"
    yield ""


def _example(message: Json) -> Iterator[str]:
    yield f"```json\n{json.dumps(message, indent=2, ensure_ascii=False)}\n```\n"


def _default(field: Json) -> str:
    given = field.get("default")
    if given in (None, "", [], {}, False):
        return "may be missing"
    return f"may be missing: then {_value(given)}"


def _description(field: Json) -> str:
    inner = [*field.get("anyOf", []), field.get("items", {})]
    found = [each["description"] for each in (field, *inner) if "description" in each]
    return str(found[0]) if found else ""


def _kind(field: Json, schemas: Json) -> str:
    """Return the type of a field in a few words."""
    field = _resolved(field, schemas)
    if "anyOf" in field:
        kinds = [_kind(each, schemas) for each in field["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in field:
        return _value(field["const"])
    if "enum" in field:
        return ", ".join(map(_value, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}), schemas)}"
    if field.get("format") == "date-time":
        return "time"
    if "properties" in field:
        inner = (f"`{name}` {_kind(each, schemas)}" for name, each in field["properties"].items())
        return f"object of {', '.join(inner)}"
    words = {"string": "text", "integer": "whole number", "object": "object", "null": "`null`"}
    kind = str(field.get("type", ""))
    return words.get(kind, kind) + _limits(field)


def _limits(field: Json) -> str:
    told = []
    if "maxLength" in field:
        told.append(f"at most {field['maxLength']} characters")
    if "maximum" in field:
        told.append(f"at most {field['maximum']}")
    return f" ({', '.join(told)})" if told else ""


def _value(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _resolved(schema: Json, schemas: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return found | {name: value for name, value in schema.items() if name != "$ref"}
