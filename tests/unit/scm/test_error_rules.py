"""Tests of the table of error codes, and of classifying a response without a server."""

import copy
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from certline.workers.scm import (
    AlreadyDone,
    LoginRefused,
    NeedsPerson,
    NotFound,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmError,
    Throttled,
    TryAgain,
    Unavailable,
)
from certline.workers.scm.transport.error_mapping import retry_after
from certline.workers.scm.transport.error_rules import CHANGES, RULES, Rule, rule_for
from tests.unit.scm.conftest import CHANGES as CALLS

# SCM's documented codes: operation, codes, SCM's text, and the error class expected.
Meaning = tuple[str, list[int | None], str, type[ScmError]]
MEANINGS: list[Meaning] = [
    # Too early: the certificate is being issued.
    ("collect", [0, -103, -109, -130, -183, -1400], "Being processed by Sectigo", NotReady),
    ("enroll", [0, -103, -109, -183, -1400], "Being processed by Sectigo", OutcomeUnknown),
    ("renew", [0, -103, -109, -183, -1400], "", OutcomeUnknown),
    ("replace", [0, -103, -109, -183, -1400], "", OutcomeUnknown),
    ("details", [0, -103, -109, -183, -1400], "", TryAgain),
    ("revoke", [0, -1400], "", TryAgain),
    # An internal error of SCM: a read is harmless, a change may have happened.
    ("details", [-1, -14, -2, -65], "", TryAgain),
    ("enroll", [-1, -14, -2, -65], "", OutcomeUnknown),
    ("renew", [-1, -14, -2, -65], "", OutcomeUnknown),
    ("replace", [-1, -14, -2, -65], "", OutcomeUnknown),
    ("revoke", [-1], "", OutcomeUnknown),
    ("approve", [-1], "", OutcomeUnknown),
    ("update", [-1], "", OutcomeUnknown),
    # SCM lost the connection to the CA: the order may exist.
    ("enroll", [-129], "Connection error", OutcomeUnknown),
    ("renew", [-129, -105, -3114, -3115], "", OutcomeUnknown),
    ("replace", [-129, -3114, -3115], "", OutcomeUnknown),
    ("enroll", [-3114, -3115], "", OutcomeUnknown),
    ("update", [-3114, -3115], "", TryAgain),
    ("details", [-105], "", Refused),
    # SCM stopped before the change.
    ("enroll", [-140, -1138, -195, -196, -618], "", TryAgain),
    ("renew", [-140, -1138, -195], "", TryAgain),
    ("replace", [-140, -1138, -195], "", TryAgain),
    # Credentials.
    ("details", [-16, -970], "Unknown user", LoginRefused),
    ("enroll", [-16, -970], "Incorrect login credentials.", LoginRefused),
    # An operator has to act at SCM.
    ("enroll", [-3, -25, -37, -226], "", NeedsPerson),
    ("validations", [-3], "You are not authorized to perform DCV validation.", NeedsPerson),
    ("enroll", [-107, -737, -1137, -723, -724, -1608], "", NeedsPerson),
    ("enroll", [-715, -727, -1010, -1603], "", NeedsPerson),
    ("enroll", [-843, -410, -429, -1021], "", NeedsPerson),
    ("approve", [-1140], "", NeedsPerson),
    ("replace", [-1144], "", NeedsPerson),
    ("collect", [-169], "", NeedsPerson),
    ("password", [-7306], "", NeedsPerson),
    # Validation of a domain.
    ("start_validation", [-3, -25, -37], "", NeedsPerson),
    ("validation_status", [-715, -1603], "", NeedsPerson),
    ("start_validation", [-723], "", Refused),
    ("submit_validation", [-724], "The DCV state is wrong", Refused),
    ("start_validation", [-727], "Domain not found.", NotFound),
    ("submit_validation", [-1, -14, -2, -65], "", OutcomeUnknown),
    ("validation_status", [-1], "", TryAgain),
    ("start_validation", [-196], "Connection error", TryAgain),
    # The request is invalid, and stays so.
    ("enroll", [-7, -9, -10, -138, -11, -78, -170, -13, -141, -194], "", Refused),
    ("enroll", [-35, -36, -39, -111, -64, -131, -134, -135, -160], "", Refused),
    ("enroll", [-62], "Mandatory custom field is missing", Refused),
    ("enroll", [-62], "Invalid IP address", Refused),
    ("enroll", [-139, -164, -639, -1023, -714, -732, -1002, -1601], "", Refused),
    ("enroll", [-1104, -1117, -159, -99999], "", Refused),
    ("renew", [-180, -110, -192], "", Refused),
    ("replace", [-1148], "", Refused),
    ("replace", [-159], "The certificate is already revoked", Refused),
    ("approve", [-1112, -1113], "", Refused),
    ("collect", [-126, -1450, -110, -192], "", Refused),
    ("details", [-130, -102], "", Refused),
    # The resource does not exist.
    ("details", [-5101, -124], "", NotFound),
    ("renew", [-123, -124], "", NotFound),
    # Nothing is left to revoke.
    ("revoke", [-102], "Only issued certificates could be revoked.", AlreadyDone),
    ("revoke", [-159], "", AlreadyDone),
    ("revoke_by_serial", [-102, -159], "", AlreadyDone),
    # No code: only the text is left.
    ("collect", [None], "Being processed by Sectigo", NotReady),
    ("collect", [None], "Certificate is not collectable.", NotReady),
    ("enroll", [None], "Being processed by Sectigo", OutcomeUnknown),
    ("revoke", [None], "Being processed by Sectigo", TryAgain),
    ("revoke", [None], "Only issued certificates could be revoked.", AlreadyDone),
    ("details", [None], "Unknown user", LoginRefused),
    ("domains", [None], "You are not authorized", NeedsPerson),
    ("enroll", [None], "Something else", Refused),
]
# HTTP statuses, whatever the code: status, whether SCM itself responded, and the error class expected.
STATUSES: list[tuple[int, bool, type[ScmError]]] = [
    (401, False, LoginRefused),
    (401, True, LoginRefused),
    (403, True, NeedsPerson),
    (404, True, NotFound),
    (404, False, OutcomeUnknown),
    (400, False, OutcomeUnknown),
    (407, False, NotSent),
    (408, False, OutcomeUnknown),
    (429, False, Throttled),
    (429, True, Throttled),
    (302, False, OutcomeUnknown),
    (307, True, OutcomeUnknown),
    (500, True, Unavailable),
    (503, False, Unavailable),
]

Case = tuple[str, int, int | None, str, bool, type[ScmError]]
CASES: list[Case] = [
    (operation, 400, code, words, True, error)
    for operation, codes, words, error in MEANINGS
    for code in codes
] + [("enroll", status, -99999, "", by_scm, error) for status, by_scm, error in STATUSES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_an_answer_means(case: Case) -> None:
    operation, status, code, words, by_scm, error = case

    assert rule_for(operation, status, code, words, by_scm=by_scm).error is error


def test_every_row_and_every_code_of_the_table_is_tried() -> None:
    def tried(case: Case) -> tuple[Rule, int | None]:
        operation, status, code, words, by_scm, _ = case
        rule = rule_for(operation, status, code, words, by_scm=by_scm)
        return rule, code if rule.codes else None

    found = [tried(case) for case in CASES]
    rows = [(rule, code) for rule in RULES for code in rule.codes or [None]]
    assert [row for row in rows if row not in found] == []


def test_the_table_names_the_calls_that_change_something() -> None:
    assert {call.operation for call in CALLS} == set(CHANGES)


def test_an_order_is_never_called_not_ready() -> None:
    codes = {code for rule in RULES for code in rule.codes}

    for operation in CHANGES:
        errors = {rule_for(operation, 400, code).error for code in codes}
        assert NotReady not in errors, operation


def test_whoever_has_to_act_is_told_what_to_do() -> None:
    assert [rule for rule in RULES if issubclass(rule.error, NeedsPerson) and not rule.advice] == []


@pytest.mark.parametrize("code", [-36, -39, -62, -107, -111, -715, -727, -1010, -1021, -1023])
def test_what_the_synced_data_had_allowed_is_answered_with_the_sync(code: int) -> None:
    assert "synchronise: certline sync" in rule_for("enroll", 400, code).advice


@pytest.mark.parametrize("code", [-9, -102, -130, -140, -180, -1002])
def test_a_refusal_that_no_sync_can_mend_does_not_name_it(code: int) -> None:
    assert "certline sync" not in rule_for("enroll", 400, code).advice


# By SCM's clock, and ours differs from it by more than any pause.
NOW = "Tue, 14 Apr 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Tue, 14 Apr 2026 12:01:00 GMT", 60.0),
        ("Tue, 14 Apr 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header, "Date": NOW}) == seconds


def test_a_response_without_retry_after_names_no_pause() -> None:
    assert retry_after({"Date": NOW}) is None


def test_a_date_is_compared_with_our_clock_if_the_response_has_none_of_its_own() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)

    assert 60 < (retry_after({"Retry-After": soon}) or 0) <= 120


def test_an_error_reads_well_and_survives_a_copy() -> None:

    error = NeedsPerson("enroll", "no DCV", status=400, code=-107, advice="validate the domain")

    assert str(error) == "enroll: no DCV (HTTP 400, code -107) [validate the domain]"
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 (our own)
        assert (twin.code, twin.advice) == (-107, "validate the domain")
