"""Logins of callers: by three headers, by two headers and a client certificate, or by a token."""

import hmac
from collections.abc import Mapping
from datetime import timedelta

from certline.simulator.state.accounts import ACCOUNTS, SimAccount
from certline.simulator.state.scm import Scm, new_token
from certline.simulator.wire.answers import Refusal
from certline.simulator.wire.dates import now

CUSTOMER = "demo"
TOKEN_PATH = "/auth/realms/apiclients/protocol/openid-connect/token"  # noqa: S105  # an address
BEARER = "bearer "


def caller(scm: Scm, headers: Mapping[str, str], *, by_certificate: bool, base: str) -> SimAccount:
    """Return the account that calls. Raises Refusal if the login fails.

    Below `/private` (`by_certificate`) a client certificate replaces the password.
    """
    token = headers.get("authorization", "")
    if token.lower().startswith(BEARER):
        return _by_token(scm, token[len(BEARER) :].strip(), base)
    login, password = headers.get("login", ""), headers.get("password")
    account = ACCOUNTS.get(login)
    if account is None or headers.get("customeruri") != CUSTOMER or _locked_out(scm, login):
        raise _unknown()
    # The simulator listens on plain HTTP, so a call without a password passes for one with a certificate.
    if password is None and by_certificate:
        return account
    if not proves(scm, login, password or ""):
        scm.failed_logins[login] += 1
        raise _unknown()
    del scm.failed_logins[login]
    return account


def proves(scm: Scm, login: str, password: str) -> bool:
    """Return True if the password is right: the account's own if it was changed, otherwise the common one."""
    right = scm.passwords.get(login, scm.settings.password)
    return hmac.compare_digest(password.encode(), right.encode())


def token_for(scm: Scm, login: str, password: str) -> str | None:
    """Return a token for an API key, or None; the key's id is a login, and its secret that login's password."""
    if login not in ACCOUNTS or not proves(scm, login, password):
        return None
    token = new_token()
    scm.tokens[token] = (login, now() + timedelta(seconds=scm.settings.token_life_s))
    return token


def _by_token(scm: Scm, token: str, base: str) -> SimAccount:
    login, ends = scm.tokens.get(token, ("", now()))
    if now() >= ends:
        where = {"WWW-Authenticate": f"{base}{TOKEN_PATH}"}
        raise Refusal(-16, "Unknown user", status=401, headers=where)
    return ACCOUNTS[login]


def _locked_out(scm: Scm, login: str) -> bool:
    most = scm.settings.lock_out_after
    return 0 < most <= scm.failed_logins[login]


def _unknown() -> Refusal:
    return Refusal(-16, "Unknown user", status=401)
