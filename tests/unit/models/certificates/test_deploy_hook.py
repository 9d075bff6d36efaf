"""Tests of hooks: the certificates they match, and hooks that cannot be added."""

from typing import Any

import pytest

from certline.models import Hook
from certline.models.certificates.deploy_hook import concerns, problems_with

STORED, RENEWED = "certificate.stored", "certificate.renewed"


def a_hook(**named: Any) -> Hook:
    """Return a hook for renewals only."""
    return Hook(**{"name": "web", "events": [RENEWED], "directory": "/etc/tls"} | named)


@pytest.mark.parametrize(
    ("pattern", "name", "so"),
    [
        (None, "www.nordhafen.example", True),
        ("*.nordhafen.example", "www.nordhafen.example", True),
        ("*.nordhafen.example", "*.nordhafen.example", True),
        ("*.nordhafen.example", "nordhafen.example", False),
        ("WWW.nordhafen.example", "www.Nordhafen.example", True),
        ("w*.nord*n.example", "www.a.nordhafen.example", True),
        ("www?nordhafen.example", "www.nordhafen.example", False),
        ("*.nordhafen", "www.nordhafen.example", False),
    ],
)
def test_a_pattern_is_of_the_whole_name(pattern: str | None, name: str, so: bool) -> None:
    assert concerns(a_hook(common_name=pattern), RENEWED, name, 1) is so


def test_a_hook_is_for_its_events_and_its_account_only() -> None:
    name = "www.nordhafen.example"

    assert not concerns(a_hook(), STORED, name, 1)
    assert concerns(a_hook(account_id=1), RENEWED, name, 1)
    assert not concerns(a_hook(account_id=2), RENEWED, name, 1)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"name": "Web server"}, "name: 'Web server' should be lower-case letters"),
        ({"events": ("order.issued",)}, "on: 'order.issued' is not an event"),
        ({"events": ()}, "on: no event is given"),
        ({"command": "echo 'unclosed"}, "command: No closing quotation"),
        ({"command": "  "}, "command: is empty"),
        ({"command": "a\0b"}, "command: contains the character NUL"),
        ({"directory": "tls"}, "directory: 'tls' should be an absolute path"),
        ({"directory": None}, "command: either a command or a directory"),
        ({"timeout": 601}, "timeout: should be 1 to 600 seconds"),
    ],
    ids=str,
)
def test_a_hook_that_could_not_work_is_refused(named: dict[str, Any], why: str) -> None:
    usual = {"name": "web", "events": [STORED], "command": None, "directory": "/x", "timeout": 60}

    assert problems_with(**usual) == []  # type: ignore[arg-type]  # each has its own type
    (problem,) = problems_with(**usual | named)
    assert problem.startswith(why)


@pytest.mark.parametrize(
    ("command", "sign"),
    [
        ("systemctl reload nginx && systemctl reload postfix", "'&&'"),
        ("false || true", "'||'"),
        ("cat $CERTLINE_KEY_FILE", "'$C'"),
        ("cat ${CERTLINE_KEY_FILE}", "'${'"),
        ("cp x y; nginx -s reload", "';'"),
        ("openssl x509 -in x | mail root", "'|'"),
        ("date > /tmp/log", "'>'"),
        ("date >> /tmp/log", "'>>'"),
        ("sleep 5 &", "'&'"),
        ("echo $(date)", "'$('"),
        ("echo `date`", "'`'"),
        ("curl https://lb.example/reload?a=1&b=2", "'&'"),
        ("cp x y\nnginx -s reload", "a line break"),
        ("LANG=C nginx -s reload", "'LANG=C' would be run as a program"),
        ("~/bin/reload", "'~/bin/reload': the home directory"),
    ],
)
def test_shell_syntax_in_a_command_that_runs_without_a_shell_is_refused(
    command: str, sign: str
) -> None:
    (problem,) = problems_with("web", [STORED], command, None, 60)

    assert problem.startswith(f"command: {sign}")
    assert "--command" in problem or "whole path" in problem


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'systemctl reload nginx && systemctl reload postfix'",
        'sh -c "cat $CERTLINE_KEY_FILE | wc"',
        "curl 'https://lb.example/reload?a=1&b=2'",
        r"echo a\&b \$HOME",
        """sh -c 'it'"'"'s; fine'""",
        "env LANG=C nginx -s reload",
        "price 5$",
        "install -m 0600 --target=/etc/x a",
    ],
)
def test_quoted_shell_syntax_is_an_argument(command: str) -> None:
    assert problems_with("web", [STORED], command, None, 60) == []
