"""An estate to look at: a hospital and a university, a year of certificates, and a day on which many end."""

from datetime import UTC, datetime, time, timedelta

from sqlalchemy.orm import Session

from certline.models import Account, AutoRenewSetting, License, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.session import clock
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_line,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

HOSPITAL, UNIVERSITY = 31, 32
ORGANIZATIONS = {HOSPITAL: "Nordhafen Hospital", UNIVERSITY: "Nordhafen University"}
WARDS = ("www", "mail", "lab", "x-ray", "pharmacy", "intranet", "vpn", "files")
CERTIFICATES = 160
# Days between two ends; each twentieth certificate ends on one day, which makes a cliff.
PACE, CLIFF = 2, 60


def open_hospital(db: Session) -> dict[str, str]:
    """Insert the estate. Returns the id of each certificate by its common name."""
    account = an_account(db, name="nordhafen", synced_at=clock(db), verified_at=clock(db))
    db.get_one(License, 1).capacity = 500
    db.add(AutoRenewSetting(account_id=account.id, enabled=True, days=30, changed_by="os:ida"))
    for number, name in ORGANIZATIONS.items():
        db.add(an_organization(account_id=account.id, scm_id=number, name=name))
    ends = clock(db).date() + timedelta(days=200)
    db.add(a_domain(account_id=account.id, name="nordhafen.example", validation_expires=ends))
    db.add(a_profile(account_id=account.id, terms=[47, 100, 200]))
    found: dict[str, str] = {}
    for number in range(CERTIFICATES):
        name = f"{WARDS[number % len(WARDS)]}{number // len(WARDS) or ''}.nordhafen.example"
        days = CLIFF if number % 20 == 19 else 4 + number * PACE
        found[name] = _certificate(db, account, name, days, HOSPITAL + number % 2)
    return found


def _certificate(db: Session, account: Account, name: str, days: int, organization: int) -> str:
    noon = datetime.combine(clock(db).date() + timedelta(days=days), time(12), UTC)
    line = a_line(db, account)
    order = an_order(
        db,
        account,
        status=OrderStatus.STORED,
        common_name=name,
        line_id=line.id,
        organization_id=organization,
        organization_name=ORGANIZATIONS[organization],
    )
    certificate = a_certificate(
        db,
        order,
        common_name=name,
        line_id=line.id,
        not_before=noon - timedelta(days=200),
        not_after=noon,
        auto_renew=True,
        renews_at=noon - timedelta(days=30),
    )
    order.certificate_id = certificate.id
    who = Identity("os:amelie")
    record(db, "order.placed", order.id, who=who, why="renewal requested for the new ward")
    record(db, "order.stored", order.id, who=Identity("certline:worker"))
    return certificate.id
