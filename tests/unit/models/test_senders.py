"""Tests of the names that a sender may use, and that each public command has a rule."""

import pytest

from certline.models.commands.kinds import PUBLIC
from certline.models.events.envelope import EVENT_DATA
from certline.models.senders.copies import COPY, copy_for
from certline.models.senders.names import covers, not_covered, pattern_of
from certline.models.senders.sender import USUAL_COMMANDS


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("shop.example", "shop.example"),
        ("shop.example", "SHOP.example"),
        ("*.shop.example", "www.shop.example"),
        ("*.shop.example", "a.b.c.shop.example"),
        ("*.shop.example", "*.shop.example"),
        ("*.shop.example", "*.www.shop.example"),
        ("*.xn--mnchen-3ya.example", "www.münchen.example"),
        ("*", "anything.example"),
        ("*", "*.anything.example"),
    ],
)
def test_a_pattern_covers_its_name_or_all_names_below_it(pattern: str, name: str) -> None:
    assert covers(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*.shop.example", "shop.example"),
        ("*.shop.example", "myshop.example"),
        ("*.shop.example", "www.shop.example.attacker.example"),
        ("*.shop.example", "*.example"),
        ("*.shop.example", "IP:192.0.2.7"),
        ("www.shop.example", "*.shop.example"),
        ("shop.example", "*.shop.example"),
        ("shop.example", "www.shop.example"),
    ],
)
def test_a_pattern_covers_no_other_name(pattern: str, name: str) -> None:
    assert not covers(pattern, name)


def test_without_patterns_every_name_is_covered_and_with_some_each_name_needs_one() -> None:
    assert not_covered([], ["a.example"]) == []
    assert not_covered(["*.a.example", "b.example"], ["x.a.example", "b.example"]) == []
    assert not_covered(["*.a.example"], ["x.a.example", "b.example", "b.example"]) == ["b.example"]


@pytest.mark.parametrize(
    "text",
    ["", "*.*.example", "a*.example", "*", "*example", "example", "192.0.2.7", "?.a.example"],
)
def test_only_names_wildcards_of_a_domain_and_the_star_are_patterns(text: str) -> None:
    if text == "*":
        assert pattern_of(text) == "*"
        return
    with pytest.raises(ValueError, match="not a name or a pattern"):
        pattern_of(text)


def test_a_pattern_is_stored_as_it_is_compared() -> None:
    assert pattern_of(" *.MÜNCHEN.example. ") == "*.xn--mnchen-3ya.example"


def test_what_destroys_and_what_reads_all_is_not_usual() -> None:
    assert set(USUAL_COMMANDS) == {"order", "renew", "reissue", "poll", "cancel"}
    assert set(USUAL_COMMANDS) < set(PUBLIC)


def test_the_routing_key_of_a_copy_is_that_of_no_event() -> None:
    assert copy_for("shop", "order.held") == "sender.shop.order.held"
    assert not [kind for kind in EVENT_DATA if kind.startswith(f"{COPY}.")]
