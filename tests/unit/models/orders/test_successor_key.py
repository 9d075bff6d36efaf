"""Tests of the kind of key that a successor gets: as before, or the nearest that the profile allows."""

import pytest

from certline.models.orders.successor_key import chosen_key, successor_key
from tests.support.factories import a_profile

ANY: dict[str, list[str]] = {}
RSA = {"RSA": ["2048", "4096"]}
EC = {"EC": ["P-256", "P-384"]}
NEAREST = [
    (ANY, ("EC", "P-521"), ("EC", "P-384")),
    (ANY, ("RSA", "8192"), ("RSA", "4096")),
    (ANY, ("RSA", "2056"), ("RSA", "2048")),
    (ANY, ("RSA", "1024"), ("RSA", "2048")),
    (RSA, ("RSA", "3072"), ("RSA", "4096")),
    (RSA, ("EC", "P-384"), ("RSA", "4096")),
    (EC, ("RSA", "2048"), ("EC", "P-256")),
    (EC, ("RSA", "8192"), ("EC", "P-384")),
    (EC, ("EC", "secp256k1"), ("EC", "P-256")),
    ({"EC": ["P-521"], "RSA": ["3072"]}, ("EC", "P-521"), ("RSA", "3072")),
    (RSA, ("Ed25519", ""), ("RSA", "2048")),
    (ANY, ("RSA", "9" * 5000), ("RSA", "4096")),
]


@pytest.mark.parametrize(("offered", "before", "after"), NEAREST)
def test_a_key_that_cannot_be_had_again_is_followed_by_the_nearest(
    offered: dict[str, list[str]], before: tuple[str, str], after: tuple[str, str]
) -> None:
    found = successor_key(a_profile(key_types=offered), *before)

    assert found is not None
    assert (found.algorithm, found.size) == after
    assert found.remark is not None
    assert f"the new key is {' '.join(after)} in place of" in found.remark


@pytest.mark.parametrize("before", [("RSA", "2048"), ("EC", "P-384")])
def test_a_key_that_is_allowed_stays_without_a_word(before: tuple[str, str]) -> None:
    found = successor_key(a_profile(key_types=RSA | EC), *before)

    assert found is not None
    assert (found.algorithm, found.size, found.remark) == (*before, None)


def test_a_profile_of_keys_that_cannot_be_made_has_none() -> None:
    assert successor_key(a_profile(key_types={"EC": ["P-521"]}), "EC", "P-521") is None


def test_a_named_kind_of_key_counts_before_the_present_one() -> None:
    profile = a_profile(key_types=RSA | EC)

    named = [
        chosen_key(profile, ("RSA", "8192"), algorithm, size)
        for algorithm, size in (("EC", "P-384"), (None, "P-256"), ("EC", None), ("RSA", None))
    ]

    assert [(each.algorithm, each.size) for each in named if each is not None] == [
        ("EC", "P-384"),
        ("EC", "P-256"),
        ("EC", "P-256"),
        ("RSA", "4096"),
    ]
