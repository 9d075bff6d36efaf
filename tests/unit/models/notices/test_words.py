"""Tests of the words of news: each kind has them all, its commands exist, and no text from outside is obeyed."""

import re
import shlex
from datetime import UTC, datetime

import pytest

from certline.models.events.base import as_json
from certline.models.events.envelope import EVENT_DATA
from certline.models.notices.event_news import OF_EVENTS
from certline.models.notices.kind import Severity
from certline.models.notices.news import DIGEST, KINDS, news_in, severity_of, unknown_kinds, wants
from certline.models.notices.words import NewsPiece, clean, letter_about
from tests.support.documented_events import some
from tests.unit.cli.tree import leaves, options

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
# Types of events that are no news to people: signals for programs.
NO_NEWS = {"audit.head", "poll.completed"}
kinds = pytest.mark.parametrize("name", KINDS)


def a_piece(kind: str = "order.review", **facts: object) -> NewsPiece:
    """Return a piece of news; without facts, it lacks all of them."""
    return NewsPiece(kind, severity_of(kind, facts), facts, NOON)


def test_every_event_but_the_signals_for_programs_is_news() -> None:
    assert set(OF_EVENTS) == set(EVENT_DATA) - NO_NEWS


@kinds
def test_each_kind_says_what_happened_what_it_means_and_what_to_type(name: str) -> None:
    kind = KINDS[name]

    assert kind.happened.endswith((".", "{reason}"))
    assert kind.meaning.endswith(".")
    assert kind.commands
    assert kind.overview


@kinds
def test_each_command_to_type_exists_with_its_options(name: str) -> None:
    for template in (*KINDS[name].commands, *KINDS[name].overview):
        words = shlex.split(re.sub(r"\{\w+\}", "NAME", template))
        # `certline recover` is a command, `certline order` a group of them.
        named = {" ".join(words[:2]), " ".join(words[:3])}
        [command] = [known for path, known in leaves().items() if path in named]
        known = {name for option in options(command) for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, template


@pytest.mark.parametrize("event", OF_EVENTS)
def test_the_words_about_an_event_use_facts_that_it_has(event: str) -> None:
    kind = KINDS[event]
    words = " ".join([kind.title, kind.happened, *kind.commands, f"{{{kind.about}}}"])
    used = set(re.findall(r"\{(\w+)\}", words))

    assert used <= set(EVENT_DATA[event].model_fields)
    letter = letter_about([a_piece(event, **as_json(some(event)))])
    assert "?" not in letter.title


def test_an_order_in_review_reads_like_this() -> None:
    facts = {"common_name": "a.example", "order_id": "01J", "reason": "no answer"}
    letter = letter_about([a_piece(**facts)])

    assert letter.title == "certline: CRITICAL: order in review: a.example"
    assert letter.body == (
        "The outcome of the order for a.example is unclear: no answer.\n\n"
        "SCM may have it or not, and a second one would cost money: nothing goes on until a person decides.\n\n"
        "To type:\n"
        "  certline order show 01J\n"
        "  certline order resolve 01J --adopt SSLID\n"
        "  certline order resolve 01J --resend\n"
        "  certline order resolve 01J --reject\n\n"
        "It happened at 2026-03-02 12:00 UTC."
    )


def test_several_of_one_kind_are_counted_and_the_first_are_named() -> None:
    letter = letter_about([a_piece(common_name=f"{n}.example") for n in range(500)])

    assert letter.title == "certline: CRITICAL: 500 orders in review"
    assert "0.example, 1.example, 2.example, 3.example, 4.example and 495 more" in letter.body


def test_a_missing_reason_leaves_no_hole() -> None:
    letter = letter_about([a_piece("order.held", common_name="a.example", order_id="1")])

    assert "The order for a.example is issued, but held." in letter.body


def test_a_text_from_outside_steers_neither_a_mail_nor_a_chat_nor_a_shell() -> None:
    evil = (
        "x\r\nBcc: all@a.example\n<!channel> @everyone <https://a.example|click> {order_id} \x1b[2J"
    )
    letter = letter_about([a_piece(common_name=evil, order_id="1; rm -rf /", reason=evil * 100)])

    assert "\n" not in letter.title
    assert "\r" not in letter.body
    assert "\x1b" not in letter.body
    assert "<" not in letter.body
    assert "@everyone" not in letter.body
    assert "certline order show '1; rm -rf /'" in letter.body
    assert len(letter.body) < 2_000
    assert clean(["a", "b"]) == "a, b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "@**all**, @_**everyone** and @*channel*",
            "(at)**all**, (at)_**everyone** and (at)*channel*",
        ),
        ("see [the portal](https://a.example)", "see [the portal] (https://a.example)"),
        ("see <the portal>(https://a.example)", "see [the portal] (https://a.example)"),
        ("anna@allianz.example", "anna@allianz.example"),
    ],
)
def test_a_text_from_outside_calls_nobody_and_hides_no_address(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_two_digests_in_one_message_keep_their_texts() -> None:
    digests = [a_piece(DIGEST, title=f"day {n}", text=f"Text {n}.") for n in range(2)]

    assert letter_about(digests[:1]).body == "Text 0."
    assert all(f"day {n}\n\nText {n}." in letter_about(digests).body for n in range(2))


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        ({"days": 3, "renewal": "nothing"}, Severity.CRITICAL),
        ({"days": 30, "renewal": "waits_for_person"}, Severity.WARNING),
        ({"days": 3, "renewal": "planned"}, Severity.INFO),
    ],
)
def test_an_expiry_is_graver_the_less_is_done_about_it(
    facts: dict[str, object], severity: Severity
) -> None:
    assert severity_of("certificate.expiring", facts) is severity


def test_patterns_that_match_nothing_are_found() -> None:
    assert unknown_kinds(["*", "order.*", "dead_letter", "order.hold", "ord?r.*"]) == [
        "order.hold",
        "ord?r.*",
    ]
    assert wants(["order.*"], "order.review")
    assert not wants(["order.*"], "dead_letter")


def test_the_most_telling_news_of_an_event_comes_first() -> None:
    assert [kind for kind, _ in news_in("command.failed", {"type": "hook"})] == [
        "hook.failed",
        "command.failed",
    ]
    assert [kind for kind, _ in news_in("auto_renew.completed", {"refused": 1})] == [
        "auto_renew.failed",
        "auto_renew.completed",
    ]
    assert news_in("audit.head", {}) == []
