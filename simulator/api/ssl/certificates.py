"""Handler for the list of certificates, with all of SCM's filters."""

import re
from collections.abc import Callable
from datetime import timedelta

from starlette.responses import Response

from certline.simulator.api.ssl.details import VENDOR, digests
from certline.simulator.http.call import SimRequest
from certline.simulator.http.pages import page, window
from certline.simulator.state.authority import ISSUER, SIGNATURE
from certline.simulator.state.records import STATUSES, Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Json
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import invalid, path_id

Test = Callable[[Scm, Record], bool]

HASHES = {"md5Hash", "sha1Hash", "sha256Hash"}
INSTALL_STATES = {"none", "notconfigured"}
USAGES = {"digitalsignature", "keyencipherment"}


async def listed(asked: SimRequest) -> Response:
    """Return a page of the records that match the filters; also serves HEAD, without the rows."""
    scm = asked.scm
    tests = [test(value) for name, test in FILTERS.items() if (value := asked.query.get(name))]
    like = _exact if scm.settings.exact_filters else _substring
    for name, texts in TEXTS.items():
        if value := asked.query.get(name):
            tests.append(like(texts, value))
    if lag := scm.settings.list_lag_ms:
        latest = now() - timedelta(milliseconds=lag)
        tests.append(lambda _, record: record.requested_at <= latest)
    # A filter by hash needs every certificate: sign them here, without blocking other calls.
    if HASHES & set(asked.query):
        await scm.sign_all(asked.records())
    found = [record for record in asked.records() if all(test(scm, record) for test in tests)]
    if scm.settings.newest_first:
        found.reverse()
    return page([_row(record) for record in found[window(asked)]], len(found))


def _row(record: Record) -> Json:
    row: Json = {"sslId": record.ssl_id, "commonName": record.common_name}
    if record.shown_names:
        row["subjectAlternativeNames"] = list(record.shown_names)
    if record.issue:
        row["serialNumber"] = record.issue.colon_serial
    return row


def _substring(texts: Callable[[Record], tuple[str, ...]], value: str) -> Test:
    wanted = value.lower()
    return lambda _, record: any(wanted in text.lower() for text in texts(record))


def _exact(texts: Callable[[Record], tuple[str, ...]], value: str) -> Test:
    wanted = value.lower()
    return lambda _, record: any(wanted == text.lower() for text in texts(record))


def _plain(value: str) -> str:
    """Normalise an enum value, which SCM's two documents spell differently: "SAApproved" and "SA Approved"."""
    return re.sub(r"[\s_]", "", value).lower()


def _status(value: str) -> Test:
    wanted = _plain(value)
    if wanted not in {_plain(status) for status in STATUSES}:
        raise invalid("status", "unknown status")
    return lambda scm, record: scm.shown_status(record).lower() == wanted


def _serial(value: str) -> Test:
    return lambda _, record: record.issue is not None and record.issue.is_numbered(value)


def _digest(name: str) -> Callable[[str], Test]:
    def test(value: str) -> Test:
        wanted = value.replace(":", "").upper()
        return lambda scm, record: (
            record.issue is not None and digests(scm, record, record.issue)[name] == wanted
        )

    return test


def _constant(actual: Callable[[Record], set[str]]) -> Callable[[str], Test]:
    """Return a filter for an enum, which ignores blanks, underscores and case."""

    def test(value: str) -> Test:
        wanted = _plain(value)
        return lambda _, record: wanted in actual(record)

    return test


def _usages(record: Record) -> set[str]:
    usages = USAGES if record.key.algorithm == "RSA" else {"digitalsignature"}
    return usages if record.issue else set()


def _by_id(actual: Callable[[Record], int]) -> Callable[[str], Test]:
    def test(value: str) -> Test:
        wanted = path_id(value)
        return lambda _, record: actual(record) == wanted

    return test


FILTERS: dict[str, Callable[[str], Test]] = {
    "status": _status,
    "sslTypeId": _by_id(lambda record: record.profile.id),
    "orgId": _by_id(lambda record: record.org_id),
    "keySize": _by_id(lambda record: record.key.size),
    "serialNumber": _serial,
    **{name: _digest(name) for name in HASHES},
    "keyAlgorithm": _constant(lambda record: {record.key.algorithm.lower()}),
    "keyParam": _constant(lambda record: {record.key.param.lower()}),
    "signatureAlgorithm": _constant(lambda record: {SIGNATURE.lower()} if record.issue else set()),
    "keyUsage": _constant(_usages),
    "extendedKeyUsage": _constant(lambda record: {"serverauth"} if record.issue else set()),
    "installStatus": _constant(lambda _: INSTALL_STATES),
    "renewalStatus": _constant(lambda record: {_plain(record.auto_renew_state)}),
    # One of SCM's documents has REST, the other "REST API".
    "requestedVia": _constant(
        lambda record: {
            _plain(record.requested_via),
            _plain(record.requested_via).removesuffix("api"),
        }
    ),
    "discoveryStatus": _constant(lambda _: {"notdeployed"}),
}

TEXTS: dict[str, Callable[[Record], tuple[str, ...]]] = {
    "commonName": lambda record: (record.common_name,),
    "subjectAlternativeName": lambda record: record.shown_names,
    "vendor": lambda _: (VENDOR,),
    "requester": lambda record: (record.requester,),
    "issuer": lambda record: (ISSUER,) if record.issue else (),
    "externalRequester": lambda record: (record.external_requester or "",),
}
