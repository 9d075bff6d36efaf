"""Tests of ids beyond the database's columns: they are not known, as any other id that does not exist."""

import pytest

from tests.integration.cli.conftest import Typist

# SCM's orderNumber has ten digits, and is easily mistaken for the sslId.
NUMBER = "2907713345"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("order", "show", f"scm:{NUMBER}"), 1),
        (("order", "poll", f"scm:{NUMBER}"), 1),
        (("order", "cancel", f"scm:{NUMBER}", "--comments=x"), 1),
        (("order", "delete", f"scm:{NUMBER}"), 1),
        (("order", "resolve", f"scm:{NUMBER}", "--reject"), 1),
        (("certificate", "revoke", f"scm:{NUMBER}", "--comments=x"), 1),
        (("order", "list", f"--organization={NUMBER}"), 2),
        (("certificate", "list", f"--profile={NUMBER}"), 2),
        (("auto-renew", "select", f"--profile={NUMBER}"), 2),
    ],
)
def test_a_number_beyond_the_column_is_not_known(
    typist: Typist, words: tuple[str, ...], code: int
) -> None:
    assert "is not known" in typist.types(*words, code=code)


def test_an_empty_account_does_not_mean_all(typist: Typist) -> None:
    assert "the text is empty" in typist.types("order", "list", "--account=", code=2)
