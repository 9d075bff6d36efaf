"""Tests of the AsyncAPI document: valid, up to date, and with examples that match its schemas."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from certline.models.commands.envelope import read_command
from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.events.envelope import EVENT_DATA, problems_of_event
from certline.models.states import CommandType
from tests.support.documented_events import asyncapi, faults
from tools.asyncapi.document import document, texts
from tools.asyncapi.examples import COMMANDS, commands, events

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT / "tests" / "asyncapi" / "asyncapi-3.0.0.json"
SENT = [(name, number) for name, examples in COMMANDS.items() for number in range(len(examples))]


@pytest.mark.parametrize("name", texts())
def test_what_is_in_the_repository_is_what_make_asyncapi_would_write(name: str) -> None:
    written = (ROOT / "docs" / name).read_text("utf-8")

    assert written == texts()[name], f"docs/{name} is stale: make asyncapi"


def test_a_reader_of_the_yaml_reads_the_document_as_it_was_meant() -> None:
    assert asyncapi() == json.loads(json.dumps(document()))


def test_the_document_is_sound_by_the_schema_of_asyncapi_3() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text("utf-8")))

    assert best_match(official.iter_errors(asyncapi())) is None
    assert best_match(official.iter_errors(asyncapi() | {"channels": []})) is not None


def test_every_command_that_others_may_send_and_every_event_is_in_it() -> None:
    channels = asyncapi()["channels"]

    assert set(channels) == {f"commands.{name}" for name in PUBLIC} | {
        f"events.{kind}" for kind in EVENT_DATA
    }


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(asyncapi())
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        place = asyncapi()
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize(("name", "number"), SENT)
def test_an_example_of_a_command_is_sound_and_is_read_as_a_command(name: str, number: int) -> None:
    example = asyncapi()["components"]["messages"][f"commands.{name}"]["examples"][number]

    assert example["payload"] == commands()[name][number]
    assert faults(f"commands.{name}", example["payload"]) == []
    assert read_command(example["payload"]).name == name


def test_every_command_has_an_example_and_every_field_is_in_one_but_for_the_sealed_and_the_rare() -> (
    None
):
    rare = {"keystore_password_sealed", "csr", "again", "yes", "dry_run", "revoke_old_after"}
    rare |= {"reuse_key", "without_other_names"}
    for name in PUBLIC:
        shown = set().union(*COMMANDS[name])
        missing = set(KINDS[CommandType(name)].payload.model_fields) - shown - rare - {"account"}
        assert missing <= {"keystore_type", "profile", "common_name"}, name


@pytest.mark.parametrize("name", PUBLIC)
def test_a_field_that_there_is_not_is_a_fault_by_the_document_too(name: str) -> None:
    sound = commands()[name][0]

    assert faults(f"commands.{name}", sound | {"data": sound["data"] | {"colour": "blue"}}) != []
    assert faults(f"commands.{name}", sound | {"type": "certline.command.lose.v1"}) != []


@pytest.mark.parametrize("kind", EVENT_DATA)
def test_an_example_of_an_event_is_sound(kind: str) -> None:
    [example] = asyncapi()["components"]["messages"][f"events.{kind}"]["examples"]

    assert example["payload"] == events()[kind]
    assert faults(f"events.{kind}", example["payload"]) == []
    assert problems_of_event(example["payload"]) == []


@pytest.mark.parametrize("kind", EVENT_DATA)
def test_receivers_are_told_that_fields_may_come_and_that_none_goes(kind: str) -> None:
    event = events()[kind]
    first = next(iter(event["data"]))

    more = event | {"data": event["data"] | {"later": 1}}
    less = event | {"data": {key: value for key, value in event["data"].items() if key != first}}

    assert faults(f"events.{kind}", more) == []
    assert faults(f"events.{kind}", less) != []
