"""The page of one certificate: its data, what happened to its line, its chain, and where hooks put it."""

from collections.abc import Sequence

from certline.board.pages.estate.documents import (
    chain_document,
    deployment_document,
    entry_document,
    member_of_line_document,
)
from certline.board.pages.estate.places import organization_names, profile_names
from certline.board.pages.estate.story import line_columns, steps_of
from certline.board.web import links
from certline.board.web.cells import Badge, Code, Moment, Name, Several
from certline.board.web.column import Fact, TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models.certificates.certificate import Certificate
from certline.models.documents.certificate import CertificateDocument
from certline.models.documents.projection import instant
from certline.models.history.chain import Issuer, chain_of
from certline.models.history.deployment import Deployment, deployments_of
from certline.models.history.line import LineMember, line_of
from certline.models.history.timeline import timeline_of_certificate
from certline.models.renewals.hindrance import Hindrance, last_hindrance
from certline.models.search import certificate_shown
from certline.models.states import CertificateStatus

ISSUERS: list[TableColumn[Issuer | None]] = [
    TableColumn("Subject", lambda row: "cannot be read" if row is None else Name(row.subject)),
    TableColumn("Issued by", lambda row: None if row is None else Name(_issuer(row))),
    TableColumn("Serial number", lambda row: None if row is None else Code(row.serial_number)),
    TableColumn("From", lambda row: None if row is None else Moment(row.not_before), minor=True),
    TableColumn("Ends", lambda row: None if row is None else Moment(row.not_after, far=True)),
]
DEPLOYMENTS: list[TableColumn[Deployment]] = [
    TableColumn("Hook", lambda row: Name(row.hook)),
    TableColumn("Directory", lambda row: Code(row.directory)),
    TableColumn("Program", lambda row: Code(row.command), minor=True),
    TableColumn("Status", lambda row: Badge(row.status)),
    TableColumn("Outcome", lambda row: Name(row.error or row.outcome)),
    TableColumn("When", lambda row: Moment(row.at)),
    TableColumn("Run", lambda row: Code(row.run_id, links.command(row.run_id)), minor=True),
]


def _issuer(row: Issuer) -> str:
    return "itself (a root)" if row.own else row.issuer


def show(asked: PageRequest) -> View:
    """Find out what the page of a certificate shows. Raises UnknownThingError."""
    row = certificate_shown(asked.db, asked.given("id"))
    if row is None:
        raise UnknownThingError(
            f"Certificate {asked.given('id')} is not known.", typed("certificate", "list")
        )
    found = CertificateDocument.of(row)
    hindrance = last_hindrance(asked.db, row)
    timeline = timeline_of_certificate(asked.db, row)
    line = line_of(asked.db, row.line_id)
    chain = chain_of(row.issuers)
    deployments = deployments_of(asked.db, row.id)
    organization = organization_names(asked.db, [row.organization_id]).get(row.organization_id)
    profile = profile_names(asked.db, [row.profile_id]).get(row.profile_id)
    return View(
        f"Certificate of {found.common_name}",
        "certificate.html",
        {
            "found": found,
            "hindrance": hindrance,
            "facts": [
                *_facts(found, row, line),
                Fact(
                    "Organisation",
                    Name(
                        organization or str(row.organization_id),
                        links.organization(row.account_id, row.organization_id),
                    ),
                ),
                Fact(
                    "Profile",
                    Name(
                        profile or str(row.profile_id),
                        links.profile(row.account_id, row.profile_id),
                    ),
                ),
            ],
            "steps": steps_of(timeline, found.id, line),
            "whole": timeline.whole,
            "audit_url": links.audit_of(found.id),
            "line": line,
            "line_columns": line_columns(found.id),
            "chain": chain,
            "issuers": ISSUERS,
            "deployments": deployments,
            "deployment_columns": DEPLOYMENTS,
            "commands": _commands(found),
        },
        found.as_dict()
        | _hindrance_document(hindrance)
        | {
            "timeline": [entry_document(each) for each in timeline.entries],
            "line": [member_of_line_document(each) for each in line],
            "chain": chain_document(chain),
            "deployments": [deployment_document(each) for each in deployments],
        },
    )


def _hindrance_document(hindrance: Hindrance | None) -> dict[str, str | None]:
    return {
        "not_renewed": None if hindrance is None else hindrance.reason,
        "not_renewed_at": None if hindrance is None else instant(hindrance.at),
    }


def _facts(found: CertificateDocument, row: Certificate, line: Sequence[LineMember]) -> list[Fact]:
    key = f"{found.key_algorithm} {found.key_size}"
    stored = "stored" if found.has_private_key else "not stored"
    before = found.supersedes
    after = _successor(found.id, line)
    facts = [
        Fact("Certificate", Code(found.id)),
        Fact("Status", Badge(found.status)),
        Fact("Names", Several([Name(name) for name in found.sans])),
        Fact("Valid from", Moment(found.not_before)),
        Fact("Ends", Moment(found.not_after, far=True)),
        Fact("Auto-renewed", "yes" if found.auto_renew else "no"),
        Fact("Issuer", Name(found.issuer)),
        Fact("Serial number", Code(found.serial_number)),
        Fact("SHA-256", Code(found.sha256_fingerprint)),
        Fact("Key", f"{key}, {stored}"),
        Fact("Keystore", found.keystore_type),
        Fact("sslId", str(found.scm_id)),
        Fact("Order", Code(found.order_id, links.order(found.order_id))),
        Fact("Supersedes", Code(before, None if before is None else links.certificate(before))),
        Fact("Superseded by", Code(after, None if after is None else links.certificate(after))),
    ]
    if found.renews_at is not None:
        facts.insert(6, Fact("Renewal planned", Moment(found.renews_at, far=True)))
    if found.other_names:
        facts.insert(3, Fact("Other names", Several([Name(name) for name in found.other_names])))
    if row.revoked_at is not None:
        facts.append(Fact("Revoked", Moment(found.revoked_at)))
        facts.append(Fact("Reason of the revocation", Name(found.revocation_reason)))
    return facts


def _successor(own_id: str, line: Sequence[LineMember]) -> str | None:
    """Return the version after this one, or None if it is the newest."""
    versions = [each.certificate_id for each in line if each.certificate_id is not None]
    if own_id not in versions or versions[-1] == own_id:
        return None
    return versions[versions.index(own_id) + 1]


def _commands(found: CertificateDocument) -> list[Suggestion]:
    own, file = found.id, f"{found.common_name.removeprefix('*.')}.pem"
    suggestions = []
    if found.status in (CertificateStatus.ACTIVE, CertificateStatus.EXPIRED):
        suggestions = [
            Suggestion("Renew it now", typed("certificate", "renew", own, "--wait")),
            Suggestion(
                "Leave it out of auto-renewal" if found.auto_renew else "Renew it automatically",
                typed("auto-renew", "deselect" if found.auto_renew else "select", own),
            ),
        ]
    if found.status is CertificateStatus.ACTIVE:
        suggestions += [
            Suggestion("Export it", typed("certificate", "export", own, "--output", file)),
            Suggestion("Revoke it", typed("certificate", "revoke", "--help")),
        ]
    return [*suggestions, Suggestion("The same in a terminal", typed("certificate", "show", own))]


CERTIFICATE = Page(f"{links.CERTIFICATES}/{{id}}", show)
ROUTES = [CERTIFICATE.route()]
