"""Tests of the services that notices may be sent by, and of what is said about their URLs."""

import subprocess
import sys

import pytest
from apprise.manager_plugins import NotificationManager

from certline.models.notices.kind import Severity
from certline.models.notices.words import Letter
from certline.workers.notices import channel
from certline.workers.notices.channel import BadServiceError, service_of
from certline.workers.notices.schemes import LOCAL, NETWORK
from tests.unit.scm.odd_server import Drip, OddServer, http

LETTER = Letter(
    Severity.WARNING, "certline: WARNING: a test", "What happened.\n\nTo type:\n  certline doctor"
)


def test_each_scheme_of_apprise_was_looked_at() -> None:
    manager = NotificationManager()
    manager.load_modules()

    assert set(manager.schemas()) == NETWORK | LOCAL, (
        "workers/notices/schemes.py: does the service act over the network, or on this machine?"
    )
    assert not NETWORK & LOCAL


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("mailtos://certline:word@mail.example?to=ops@mail.example", "E-Mail"),
        ("slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#ops", "Slack"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        ("workflows://prod.example:443/643e69f61d4e4a2b/4mJQmwkGZyv5CdUHH0gf9Q/", "Power Automate"),
        ("pagerduty://IntegrationKey12345678901@ApiKey/certline", "Pager Duty"),
        ("matrixs://certline:word@matrix.example/!room", "Matrix"),
        ("jsons://receiver.example/certline", "JSON"),
    ],
)
def test_the_examples_of_the_manual_are_taken_without_a_warning(url: str, name: str) -> None:
    service = service_of(url)

    assert service.name.startswith(name)
    assert service.warnings == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("syslog://", "own machine"),
        ("dbus://", "own machine"),
        ("windows://", "own machine"),
        ("vapid://a@b.example/c@d.example", "own machine"),
        ("file:///etc/passwd", "not a service"),
        ("http://169.254.169.254/latest", "not a service"),
        ("https://169.254.169.254/latest", "cannot use|can use"),
        ("python://geheim", "not a service"),
        ("slack://", "not one that certline can use"),
        ("ops@mail.example", "no URL"),
        ("json://a.example/\x1b[2J", "characters"),
        ("discord://1234567890/AbCdEfGhIj?template=/etc/passwd", "template= makes certline read"),
        ("mailtos://a:b@mail.example?pgp=yes", "pgp="),
        ("fcm://project/device?KEYFILE=/etc/passwd", "keyfile="),
        # As apprise reads them.
        ("fcm://project/device?a=1;keyfile=/etc/passwd", "keyfile="),
        ("mailtos://a:b@mail.example?to=a@b.example&pgppub%20=/etc/passwd", "pgppub="),
        ("workflows://host:443/WORKFLOW/SIGNATURE/?+template=http://127.0.0.1/", "template="),
        ("mailtos://a:b@mail.example?to=a@b.example&+%20pgppub=/etc/passwd", "pgppub="),
    ],
)
def test_what_is_no_service_of_others_is_refused_and_nothing_of_the_url_is_repeated(
    url: str, why: str
) -> None:
    with pytest.raises(BadServiceError, match=why) as refused:
        service_of(url)

    rest = url.partition("://")[2]
    assert not rest or rest not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "warning"),
    [
        ("json://receiver.example", "json:// is not encrypted"),
        ("mailto://a:b@mail.example?mode=insecure", "without TLS"),
        ("jsons://receiver.example?verify=no", "pretend to be the service"),
    ],
)
def test_what_can_be_read_on_the_way_is_warned_of(url: str, warning: str) -> None:
    assert any(warning in each for each in service_of(url).warnings)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http("204 No Content"), None),
        (http("403 Forbidden", b"token-4711 is wrong"), "it answered with status 403"),
        (
            http("302 Found", headers=("Location: http://127.0.0.1:1/",)),
            "it answered with status 302",
        ),
    ],
)
def test_why_a_message_was_not_taken_is_said_in_words_of_our_own(
    answer: bytes, why: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with OddServer([answer]) as receiver:
        url = receiver.url.replace("http://", "json://ida:geheim@") + "/token-4711?rto=900&cto=900"
        assert channel.send(url, LETTER) == why

    assert len(receiver.seen) == 1
    assert not [entry for entry in caplog.records if entry.name.startswith(("root", "certline"))]


def test_a_service_that_is_not_there_or_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "WHOLE", 0.5)
    assert channel.send("json://127.0.0.1:1/token", LETTER) == "it refuses the connection"
    assert channel.send("mailto://127.0.0.1:1?from=a@b.example&to=c@d.example", LETTER) == (
        "it refuses the connection"
    )
    with OddServer([Drip(http("204 No Content") * 50)]) as receiver:
        url = receiver.url.replace("http://", "json://")

        assert channel.send(url, LETTER) == "it did not answer within 0 s"


def test_a_url_that_became_unusable_is_said_so() -> None:
    assert "not one that certline can use" in str(channel.send("slack://", LETTER))


WARNS = """
import warnings
from certline.workers.notices.channel import service_of
service_of("jsons://ida:geheim@receiver.example?verify=no")
warnings.warn("Unverified HTTPS request is being made to host 'receiver.example'")
"""


def test_the_host_is_not_named_past_the_log() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", WARNS], capture_output=True, text=True, check=True
    )

    assert "receiver.example" not in ended.stderr
