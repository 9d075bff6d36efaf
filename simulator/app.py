"""The simulator's application, with the routes of every path it serves."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, Router

from certline.simulator.api import admins, crl, organizations, reports, tokens
from certline.simulator.api.dcv import per_certificate, proofs, validations
from certline.simulator.api.domains import delegations, domains, state
from certline.simulator.api.ssl import (
    certificates,
    collect,
    details,
    enroll,
    lifecycle,
    profiles,
    renewals,
    update,
)
from certline.simulator.http.call import Handler, OpenCall, Turnstile, routes
from certline.simulator.http.clock import MovableClock
from certline.simulator.http.control import Door
from certline.simulator.http.door_guard import DoorGuard
from certline.simulator.http.login import TOKEN_PATH
from certline.simulator.seed import fleet
from certline.simulator.settings import SimSettings
from certline.simulator.state.authority import Authority
from certline.simulator.state.scm import Scm
from certline.simulator.wire.dates import clock_ahead

BASE = "http://127.0.0.1:8500"

ACCOUNT: list[tuple[str, str, Handler]] = [
    ("GET", "/organization/v1", organizations.listed),
    ("GET", "/organization/v1/{id}", organizations.details),
    ("GET", "/domain/v1", domains.listed),
    ("POST", "/domain/v1", state.create),
    ("GET", "/domain/v1/count", domains.counted),
    ("POST", "/domain/v1/delegation", delegations.add_many),
    ("GET", "/domain/v1/{id}", domains.details),
    ("DELETE", "/domain/v1/{id}", state.delete),
    ("PUT", "/domain/v1/{id}/activate", state.activate),
    ("PUT", "/domain/v1/{id}/suspend", state.suspend),
    ("POST", "/domain/v1/{id}/delegation", delegations.add),
    ("DELETE", "/domain/v1/{id}/delegation", delegations.remove),
    ("POST", "/domain/v1/{id}/delegation/approve", delegations.approve),
    ("POST", "/domain/v1/{id}/delegation/reject", delegations.reject),
    ("POST", "/report/v1/ssl-certificates", reports.certificates),
    ("GET", "/customField/v2", profiles.custom_fields_v2),
    ("GET", "/admin/v1", admins.listed),
    ("GET", "/admin/v1/password", admins.password),
    ("POST", "/admin/v1/changepassword", admins.change_password),
    ("GET", "/admin/v1/{id}", admins.details),
]

# Below /dcv/v1 and /dcv/v2. The first match counts, so v1's start precedes the one of both.
DCV: list[tuple[str, str, Handler]] = [
    ("GET", "", validations.listed),
    ("POST", "/status", validations.status),
    ("POST", "/start/domain/{mode}", proofs.start),
    ("POST", "/submit/domain/{mode}", proofs.submit),
    ("POST", "/sync", proofs.sync),
    ("POST", "/clear", proofs.clear),
    ("POST", "/delete", proofs.delete),
]

DCV_V1: list[tuple[str, str, Handler]] = [
    ("POST", "/dcv/v1/validation/start/domain/{mode}", proofs.start_in_v1),
]

# Below both /ssl/v1 and /ssl/v2. The first match counts, so fixed paths precede those with an id.
SSL: list[tuple[str, str, Handler]] = [
    ("GET", "", certificates.listed),
    ("PUT", "", update.update),
    ("GET", "/types", profiles.types),
    ("GET", "/customFields", profiles.custom_fields),
    ("POST", "/enroll", enroll.enroll),
    ("GET", "/collect/{sslId}", collect.collect),
    ("GET", "/collect/{sslId}/{format}", collect.collect),
    ("POST", "/approve/{id}", lifecycle.approve),
    ("POST", "/decline/{id}", lifecycle.decline),
    ("POST", "/renewById/{sslId}", renewals.renew_by_id),
    ("POST", "/renew/manual/{id}", renewals.mark_renewed),
    ("POST", "/renew/{renewId}", renewals.renew_by_renew_id),
    ("POST", "/replace/{sslId}", renewals.replace),
    ("POST", "/revoke/manual", lifecycle.mark_revoked),
    ("POST", "/revoke/serial/{serial}", lifecycle.revoke_by_serial),
    ("POST", "/revoke/{id}", lifecycle.revoke),
    ("GET", "/{id}/dcv", per_certificate.per_certificate),
    ("GET", "/{sslId}", details.details),
    ("DELETE", "/{sslId}", lifecycle.delete),
]


def build(
    settings: SimSettings,
    seed_orders: int = 0,
    *,
    seed: int = 1,
    base: str = BASE,
    door_hosts: Sequence[str] = (),
) -> tuple[Starlette, Scm]:
    """Return the application and its simulated SCM, seeded with `seed_orders` orders.

    `base` is the URL of the CRLs named in its certificates. `door_hosts`: further names of the control door.
    """
    scm = Scm(authority=Authority(base))
    at_start = settings.as_json()

    def start_again() -> None:
        scm.forget()
        scm.settings.change(at_start)
        fleet.seed(scm, seed_orders, seed)

    with clock_ahead(settings.clock_ahead_s):
        start_again()
    table = ACCOUNT + DCV_V1 + _twice("/ssl/{}", SSL) + _twice("/dcv/{}/validation", DCV)
    api = Router(routes(scm, table))
    door = DoorGuard(Router(Door(scm, start_again).routes()), door_hosts)
    token = OpenCall(scm, Turnstile(), TOKEN_PATH, tokens.token)
    paths: list[BaseRoute] = [
        Mount("/api", api),
        Mount("/private/api", api),
        Mount("/_sim", door),
        Route(TOKEN_PATH, token, methods=["POST"]),
        *crl.routes(scm),
    ]
    return Starlette(routes=paths, middleware=[Middleware(MovableClock, scm=scm)]), scm


def _twice(prefix: str, table: list[tuple[str, str, Handler]]) -> list[tuple[str, str, Handler]]:
    return [
        (method, f"{prefix.format(version)}{path}", handler)
        for version in ("v1", "v2")
        for method, path, handler in table
    ]
