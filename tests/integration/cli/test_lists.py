"""CLI tests of lists: filtered, sorted, page by page, in JSON, CSV or a table."""

import csv
import io

import pytest

from certline.cli.ui import listing
from tests.integration.cli.conftest import Typist
from tests.integration.cli.listed import NAMES, ids, orders, people
from tests.support.factories import an_order


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [3, 2, 1, 0]),
        (("--reverse",), [0, 1, 2, 3]),
        (("--sort", "name"), [1, 0, 3, 2]),
        (("--sort", "changed"), [1, 2, 3, 0]),
        (("--status", "held", "--status", "pending"), [2, 1]),
        (("--open",), [2, 1]),
        (("--account", "see"), [3, 1]),
        (("--organization", "9101"), [2, 0]),
        (("--organization", "nordhafen ag"), [2, 0]),
        (("--profile", "OV Single"), [2, 1, 0]),
        (("--profile", "52"), [3]),
        (("--name", "*.see.example"), [3, 1]),
        (("--name", "SHOP*"), [0]),
        (("--name", "*nordhafen*"), [2, 0]),
        (("--name", "w*.nordhafen*e"), [2]),
        (("--name", "mail.see.example"), [1]),
        (("--name", "see"), []),
        (("--name", "%.see.example"), []),
        (("--status", "stored", "--account", "see"), [3]),
        (("--limit", "2"), [3, 2]),
    ],
)
def test_orders_are_narrowed_and_sorted(
    typist: Typist, words: tuple[str, ...], numbers: list[int]
) -> None:
    with typist.database.transaction() as db:
        made = list(orders(db).values())

    assert ids(typist, "order", "list", *words) == [made[number] for number in numbers]


@pytest.mark.parametrize("sort", ["created", "changed", "name"])
@pytest.mark.parametrize("reverse", [(), ("--reverse",)])
def test_page_after_page_is_the_whole_list_each_row_once(
    typist: Typist, sort: str, reverse: tuple[str, ...]
) -> None:
    with typist.database.transaction() as db:
        orders(db)
        orders_again = [an_order(db, common_name=NAMES[0]) for _ in range(3)]
        assert orders_again
    words = ("order", "list", "--sort", sort, *reverse)

    found = ids(typist, *words, "--limit", "2")
    while len(found) % 2 == 0:
        found += ids(typist, *words, "--limit", "2", "--after", found[-1])

    assert found == ids(typist, *words)
    assert len(set(found)) == 7


def test_a_page_says_how_to_get_the_next_one(typist: Typist) -> None:
    with typist.database.transaction() as db:
        made = list(orders(db).values())

    for words in (("--limit", "3"), ("--limit", "3", "--json"), ("--limit", "3", "--csv")):
        said = people(typist, "order", "list", *words)
        assert f"the next page: --after {made[1]}" in said.err
    assert "these 3 rows of 4;" in people(typist, "order", "list", "--limit", "3").err
    assert people(typist, "order", "list", "--limit", "4").err == "4 in total\n"
    last = people(typist, "order", "list", "--after", made[1])
    assert last.err == "1 on this last page, 4 in total\n"
    assert "not known" in people(typist, "order", "list", "--after", "nobody", code=1).err


def test_programs_get_every_row_in_pieces_and_people_a_screenful(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PIECE", 2)
    monkeypatch.setattr(listing, "SCREENFUL", 3)
    with typist.database.transaction() as db:
        orders(db)

    assert len(typist.json("order", "list")) == 4
    assert len(list(csv.DictReader(io.StringIO(people(typist, "order", "list", "--csv").out)))) == 4
    said = people(typist, "order", "list")
    assert len(said.out.splitlines()) == 1 + 3
    assert "There are more than these 3" in said.err


def test_csv_has_the_keys_of_json(typist: Typist) -> None:
    with typist.database.transaction() as db:
        order = an_order(db, sans=["a.example", "b.example"], comments='say "so",\nplease')
        assert order.error is None

    (row,) = csv.DictReader(io.StringIO(people(typist, "order", "list", "--csv").out))
    (document,) = typist.json("order", "list")

    assert list(row) == list(document)
    assert (row["id"], row["sans"]) == (document["id"], "a.example b.example")
    assert (row["comments"], row["error"]) == ('say "so",\nplease', "")
    assert people(typist, "order", "list", "--csv", "--status", "held").out == ""
    assert "do not go together" in people(typist, "order", "list", "--csv", "--json", code=2).out


def test_nothing_found_is_an_empty_array_or_a_sentence(typist: Typist) -> None:
    assert people(typist, "order", "list", "--json").out == "[]\n"
    assert "order create --help" in people(typist, "order", "list").out
    assert "no such order" in people(typist, "order", "list", "--status", "held").out


def test_an_unknown_organization_is_told_with_what_was_meant(typist: Typist) -> None:
    with typist.database.transaction() as db:
        orders(db)

    error = people(typist, "order", "list", "--organization", "Nordhaven AG", code=2).err

    assert "'Nordhaven AG' is not known; did you mean Nordhafen AG?" in error
    assert "certline organization list" in error
