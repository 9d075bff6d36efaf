"""Tests of the witness as it is kept: only what this installation has signed counts."""

import json
from datetime import UTC, datetime

import pytest

from certline.models.audit.head import Head
from certline.models.audit.witness import LARGEST_WITNESS, ForgedWitnessError, Witness

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
WITNESS = Witness(Head((12, 0, 7), "ab" * 32), datetime(2026, 11, 28, 9, 30, 1, 234567, tzinfo=UTC))


def changed(**fields: object) -> bytes:
    """Return the kept witness with other fields, and the signature that it had."""
    return json.dumps(json.loads(WITNESS.signed(KEY)) | fields).encode()


def test_what_was_signed_is_read_again() -> None:
    assert Witness.read(WITNESS.signed(KEY), KEY) == WITNESS


@pytest.mark.parametrize(
    "body",
    [
        WITNESS.signed(OTHER_KEY),
        changed(head="999999:" + "ab" * 32),
        changed(at="2027-11-28T09:30:01.234567+00:00"),
        changed(signature=""),
        changed(signature="\ud800"),
        changed(signature=None),
        changed(head=["12"]),
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * LARGEST_WITNESS + WITNESS.signed(KEY),
    ],
    ids=[str(number) for number in range(13)],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ForgedWitnessError):
        Witness.read(body, KEY)


@pytest.mark.parametrize(("head", "at"), [("none", "2026-11-28"), ("1:" + "ab" * 32, "2026-11-28")])
def test_a_signed_witness_without_a_head_or_a_zone_is_refused(
    head: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.models.audit.witness._signature", lambda *_: "signed")
    body = json.dumps({"head": head, "at": at, "signature": "signed"}).encode()

    with pytest.raises(ForgedWitnessError):
        Witness.read(body, KEY)
