"""Tests of masking: anything that looks like a secret in a foreign message is hidden."""

import json

import pytest

from certline.cli.integration.dead_letter import masked


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"keystore_password": "hunter2", "term": 90}),
        json.dumps({"data": {"keystore_password_sealed": "hunter2"}}, indent=2),
        json.dumps({"Password": 'say "hunter2"'}),
        json.dumps({"secret": ["hunter2", "hunter2"]}),
        json.dumps({"token": {"value": "hunter2"}}),
        '{"a": 1, "passwd" : "hunter2',
        "{'keystore_password': 'hunter2'}",
        '{"client_secret": hunter2}',
    ],
)
def test_a_secret_is_not_shown(body: str) -> None:
    assert "hunter2" not in masked(body.encode())
    assert '"***"' in masked(body.encode())


def test_everything_else_is_shown_as_it_came() -> None:
    body = json.dumps({"common_name": "www.nordhafen.example", "comments": "a password: none"})

    assert masked(body.encode()) == body


def test_what_is_no_text_is_shown_as_far_as_it_goes() -> None:
    assert masked(b"\xffab\x00") == "\\xffab\x00"


def test_a_large_message_is_shown_quickly() -> None:
    assert len(masked(b'"' * 100_000)) == 100_000
    assert masked(b'{"password":' + b'"x' * 50_000).count("***") == 1
