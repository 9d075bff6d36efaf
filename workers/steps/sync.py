"""Step that syncs an account's organisations, domains, profiles and custom fields from SCM.

Each resource is read completely before it is stored in one transaction, so a sync that is killed leaves the
last complete state.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Command,
    CommandType,
    CustomField,
    Domain,
    Organization,
    Profile,
)
from certline.models.accounts.account import account_for
from certline.models.accounts.catalogue import SyncedRow
from certline.models.commands.answers import Answer
from certline.models.commands.payloads import SyncCommand, read_payload
from certline.models.database.session import clock
from certline.models.events.data import SyncCompleted
from certline.models.validation import BadCommandError
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, reading_scm
from certline.workers.runtime.step import plain_step
from certline.workers.scm import NeedsPerson, NotFound, Refused, ScmClient, ScmDomain, TryAgain

Row = TypeVar("Row", bound=SyncedRow)
# SCM's rows of one table: SCM id → values of the columns.
Wanted = dict[int, dict[str, Any]]

# Failed attempts in a row (about four minutes) after which the sync fails; the next one starts from scratch.
MOST_TRIES = 8
# Names listed for each kind of change; the counts are always complete.
MOST_NAMED = 20


def sync(context: WorkerContext, command: Command) -> dict[str, Any]:
    """Sync the resources that the command names. Returns what was added, changed and gone, by table.

    Raises TryLater, AccountSuspendedError, and GiveUp if the account is unknown or SCM refuses.
    """
    wanted = read_payload(SyncCommand, command.payload)
    with context.database.transaction() as db:
        try:
            account = account_for(db, wanted.account)
        except BadCommandError as bad:
            raise GiveUp(str(bad)) from None
        require_active(account)
    scm = context.scm(account)
    result: dict[str, Any] = {"account": account.name}
    for resource in wanted.resources:
        for table, read in READERS[resource]:
            with reading_scm(account, command.attempts, MOST_TRIES):
                rows = read(scm)
            with context.database.transaction() as db:
                # The account's row is the lock by which two syncs of one account store one after the other.
                db.get_one(Account, account.id, with_for_update=True)
                result[NAMES[table]] = mirror(db, table, account.id, rows)
    whole = set(wanted.resources) == set(READERS)
    if whole:
        context.store(lambda db: _note_synced(db, account.id))
    return result


def mirror(db: Session, table: type[Row], account_id: int, wanted: Wanted) -> dict[str, Any]:
    """Make a table match SCM's rows. Rows that SCM no longer has are marked gone, not deleted.

    Returns the counts of added, changed and gone rows, and their names (at most MOST_NAMED each). A row that
    was gone and has come back counts as added.
    """
    now = clock(db)
    present = {
        row.scm_id: row for row in db.scalars(select(table).filter_by(account_id=account_id))
    }
    names: dict[str, list[str]] = {"added": [], "changed": [], "gone": []}
    for scm_id, values in wanted.items():
        row = present.get(scm_id)
        if row is None:
            row = table()
            # A new row begins as gone, so that below it counts as added.
            row.account_id, row.scm_id, row.gone_at = account_id, scm_id, now
            db.add(row)
        if row.gone_at is not None:
            names["added"].append(values["name"])
        elif any(getattr(row, name) != value for name, value in values.items()):
            names["changed"].append(values["name"])
        for name, value in values.items():
            setattr(row, name, value)
        row.synced_at, row.gone_at = now, None
    for scm_id, row in present.items():
        if scm_id not in wanted and row.gone_at is None:
            row.gone_at = now
            names["gone"].append(row.name)
    return {
        "total": len(wanted),
        **{what: len(which) for what, which in names.items()},
        "names": {what: sorted(which)[:MOST_NAMED] for what, which in names.items() if which},
    }


def _organizations(scm: ScmClient) -> Wanted:
    rows: Wanted = {}
    for organization in scm.organizations():
        rows[organization.id] = {
            "name": organization.name,
            "parent_id": None,
            "parent_name": None,
            **_switches(scm, organization.id),
        }
        for department in organization.departments:
            rows[department.id] = {
                "name": department.name,
                "parent_id": organization.id,
                "parent_name": organization.name,
                **_switches(scm, department.id),
            }
    return rows


def _switches(scm: ScmClient, org_id: int) -> dict[str, Any]:
    try:
        found = scm.organization(org_id)
    except (
        NotFound,
        NeedsPerson,
    ):  # an administrator of a department sees only the name of its organisation
        return {"api_enabled": None, "cert_types": None}
    types = list(found.cert_types)
    return {"api_enabled": found.ssl_api_enabled, "cert_types": types or None}


def _domains(scm: ScmClient) -> Wanted:
    rows: Wanted = {}
    hidden: Wanted = {}
    for row in scm.domains():
        try:
            rows[row.id] = _domain(scm.domain(row.id))
        except NotFound:  # deleted since the list was read, or not visible to this account
            hidden[row.id] = _domain(ScmDomain(row.id, row.name, "", "", "", "", None))
    # A second list shows which of the two it was: domains that are still listed are kept, by name only.
    if hidden:
        listed = {row.id for row in scm.domains()}
        rows |= {id_: values for id_, values in hidden.items() if id_ in listed}
    return rows


def _domain(domain: ScmDomain) -> dict[str, Any]:
    return {
        "name": domain.name.lower(),
        "state": domain.state or None,
        "delegation_status": domain.delegation_status or None,
        "validation_status": domain.validation_status or None,
        "validation_method": domain.validation_method or None,
        "validation_expires": domain.dcv_expiration,
        # If SCM does not say it, the day on which we had the domain validated stays.
        **({"validated_on": domain.dcv_validation} if domain.dcv_validation else {}),
        "delegations": [
            {
                **asdict(delegation),
                "cert_types": list(delegation.cert_types),
                "privileges": list(delegation.privileges),
            }
            for delegation in domain.delegations
        ],
    }


def _profiles(scm: ScmClient) -> Wanted:
    offered = _offered(scm)
    return {
        profile.id: {
            "name": profile.name,
            "description": profile.description or None,
            "terms": list(profile.terms),
            "key_types": {kind: list(sizes) for kind, sizes in profile.key_types.items()},
            "closed_to": [org_id for org_id, ids in offered.items() if profile.id not in ids],
        }
        for profile in scm.profiles()
    }


def _offered(scm: ScmClient) -> dict[int, set[int]]:
    """Return the ids of the profiles that SCM offers to each organisation and department, by its id, in order.

    One that SCM shows no profiles for is left out: then nothing is known about it.
    """
    ids = [
        org_id
        for found in scm.organizations()
        for org_id in (found.id, *(part.id for part in found.departments))
    ]
    offered = {}
    for org_id in sorted(ids):
        try:
            listed = scm.profiles(org_id)
        except TryAgain:
            raise
        except Refused:  # deleted meanwhile, or not shown to a department's administrator
            continue
        if listed:
            offered[org_id] = {profile.id for profile in listed}
    return offered


def _custom_fields(scm: ScmClient) -> Wanted:
    return {
        field.id: {"name": field.name, "mandatory": field.mandatory}
        for field in scm.custom_fields()
    }


def _note_synced(db: Session, account_id: int) -> None:
    db.get_one(Account, account_id).synced_at = clock(db)


def _answer(_: Session, __: Command, result: dict[str, Any]) -> Answer:
    # From JSON: checked when the event is stored, not by mypy.
    return Answer(SyncCompleted(**result), result["account"])


READERS: dict[str, list[tuple[type[SyncedRow], Callable[[ScmClient], Wanted]]]] = {
    "organizations": [(Organization, _organizations)],
    "domains": [(Domain, _domains)],
    "profiles": [(Profile, _profiles), (CustomField, _custom_fields)],
}
NAMES: dict[type[SyncedRow], str] = {
    Organization: "organizations",
    Domain: "domains",
    Profile: "profiles",
    CustomField: "custom_fields",
}

# Failing loses nothing: the next sync reads the same data.
STEP = plain_step(CommandType.SYNC, sync, answer=_answer, fails_if_suspended=True)
