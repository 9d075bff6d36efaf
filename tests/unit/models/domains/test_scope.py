"""Tests of which domain is validated for a name, and what a validation covers."""

from datetime import UTC, datetime

import pytest

from certline.models.domains.scope import covers, top_domains, validated_for
from tests.support.factories import a_domain

GONE = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [
    a_domain(name="nordhafen.example"),
    a_domain(name="*.nordhafen.example"),
    a_domain(name="library.nordhafen.example"),
    a_domain(name="münchen.example"),
    a_domain(name="*.alone.example"),
    a_domain(name="gone.example", gone_at=GONE),
]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("nordhafen.example", "nordhafen.example"),
        ("www.nordhafen.example", "nordhafen.example"),
        ("*.nordhafen.example", "nordhafen.example"),
        ("www.library.nordhafen.example", "nordhafen.example"),
        ("www.xn--mnchen-3ya.example", "münchen.example"),
        ("alone.example", "*.alone.example"),
    ],
)
def test_the_highest_domain_above_a_name_is_validated_for_it(name: str, domain: str) -> None:
    assert domain in {row.name for row in validated_for(name, ROWS)}


@pytest.mark.parametrize("name", ["other.example", "nothafen.example", "gone.example"])
def test_a_name_of_nobody_has_none(name: str) -> None:
    assert validated_for(name, ROWS) == []


def test_a_domain_below_another_is_not_validated_itself() -> None:
    found = top_domains(ROWS)

    assert list(found) == ["nordhafen.example", "xn--mnchen-3ya.example", "alone.example"]
    assert [row.name for row in found["nordhafen.example"]] == [
        "nordhafen.example",
        "*.nordhafen.example",
    ]


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("nordhafen.example", True),
        ("*.nordhafen.example", True),
        ("library.nordhafen.example", True),
        ("notnordhafen.example", False),
        ("example", False),
    ],
)
def test_a_validation_covers_the_domain_its_wildcard_and_all_below(
    name: str, covered: bool
) -> None:
    assert covers("nordhafen.example", name) is covered
