"""Handlers for administrator records and the caller's own password."""

from datetime import timedelta

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.http.login import proves
from certline.simulator.http.pages import page, window
from certline.simulator.settings import SimSettings
from certline.simulator.state.accounts import ACCOUNTS, PRIVILEGES, SimAccount
from certline.simulator.wire.answers import Json, Refusal, answer, nothing, without_gaps
from certline.simulator.wire.dates import NAMED, now, written
from certline.simulator.wire.fields import path_id, required_text

LEAST_CHARACTERS = 8


def listed(asked: SimRequest) -> Response:
    """Return the administrators the caller may see: all for one of the whole customer, otherwise only itself."""
    found = _seen(asked)
    return page([_row(each) for each in found[window(asked)]], len(found))


def details(asked: SimRequest) -> Response:
    """Return one administrator with type, roles and privileges."""
    admin_id = path_id(asked.path["id"])
    found = next((each for each in _seen(asked) if each.id == admin_id), None)
    if found is None:
        raise Refusal(asked.scm.settings.unknown_id_code, "Not found.", status=404)
    settings = asked.scm.settings
    return answer(
        {
            **_row(found),
            "type": settings.admin_type,
            "credentials": [
                {"role": found.role, "orgId": org_id} for org_id in sorted(found.org_ids or ())
            ]
            or [{"role": found.role}],
            "privileges": [each for each in PRIVILEGES if _may(found, each, settings)],
            "passwordState": settings.password_state,
            "activeState": "Active",
        }
    )


def _seen(asked: SimRequest) -> list[SimAccount]:
    if not asked.scm.settings.shows_admins:
        raise Refusal(asked.scm.settings.no_privilege_code, "You are not authorized.")
    everybody = asked.account.org_ids is None
    return [each for each in ACCOUNTS.values() if everybody or each is asked.account]


def _may(found: SimAccount, privilege: str, settings: SimSettings) -> bool:
    automatic = settings.auto_approve or privilege != "autoApproveCertificates"
    return automatic and found.has(privilege, settings)


def _row(found: SimAccount) -> Json:
    return {"id": found.id, "login": found.login, "email": found.mail}


def password(asked: SimRequest) -> Response:
    """Return the state of the caller's password and its expiry date."""
    settings = asked.scm.settings
    days = {"ALIVE": settings.password_days, "EXPIRED": -1}.get(settings.password_state)
    ends = None if days is None else now() + timedelta(days=days)
    body = {"expirationDate": written(ends, NAMED["ISO"]), "state": settings.password_state}
    return answer(without_gaps(body))


def change_password(asked: SimRequest) -> Response:
    """Set a new password; the old one must be in the `password` header, even with token login."""
    wanted = required_text(asked.body(), "newPassword", most=512)
    login = asked.account.login
    if not proves(asked.scm, login, asked.headers.get("password", "")):
        raise Refusal(-970, "Incorrect login credentials.")
    if len(wanted) < LEAST_CHARACTERS or proves(asked.scm, login, wanted):
        raise Refusal(-7306, "The password does not meet the password policy.")
    asked.scm.passwords[login] = wanted
    return nothing()
