"""Tests of finding renewals among orders: the older one was renewed, and the next one is its successor."""

from hypothesis import given
from hypothesis import strategies as st

from certline.models.certificates.lineage import Kin, family_of, runs


def kin(scm_id: int, *, renewed: bool) -> Kin:
    return Kin(f"O{scm_id}", scm_id, renewed)


@st.composite
def a_family(draw: st.DrawFn) -> list[Kin]:
    """Draw related orders, in the order in which they are imported."""
    ids = draw(st.lists(st.integers(1, 50), unique=True, max_size=12))
    return [kin(scm_id, renewed=draw(st.booleans())) for scm_id in ids]


KIN = a_family()


def test_a_renewed_order_and_the_next_one_are_one_run() -> None:
    old, new = kin(1, renewed=True), kin(2, renewed=False)

    assert runs([new, old]) == [[old, new]]


def test_two_orders_of_the_same_names_that_were_not_renewed_are_two_runs() -> None:
    one, other = kin(1, renewed=False), kin(2, renewed=False)

    assert runs([one, other]) == [[one], [other]]


def test_a_renewal_of_a_renewal_belongs_to_the_same_run() -> None:
    versions = [kin(1, renewed=True), kin(5, renewed=True), kin(9, renewed=False)]

    assert runs(versions) == [versions]


def test_only_the_next_one_is_the_renewal() -> None:
    old, new, later = kin(1, renewed=True), kin(2, renewed=False), kin(3, renewed=False)

    assert runs([later, old, new]) == [[old, new], [later]]


@given(KIN)
def test_each_order_is_in_one_run_in_the_order_of_the_ids(family: list[Kin]) -> None:
    found = runs(family)

    assert [each for run in found for each in run] == sorted(family, key=lambda each: each.scm_id)
    for run in found:
        assert all(each.renewed for each in run[:-1])


@given(KIN)
def test_runs_do_not_depend_on_the_order_of_arrival(family: list[Kin]) -> None:
    assert runs(reversed(family)) == runs(family)


def test_a_family_has_the_same_names_in_any_order_and_spelling() -> None:
    assert family_of(["A.example", "b.example"], 1, 2) == family_of(
        ["b.example", "a.example"], 1, 2
    )
    assert family_of(["a.example"], 1, 2) != family_of(["a.example"], 1, 3)
