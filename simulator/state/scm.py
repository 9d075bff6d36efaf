"""State of the simulated SCM: its records, and the transitions from order to expiry."""

import asyncio
import secrets
import string
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from certline.simulator.settings import SimSettings
from certline.simulator.state import records as status
from certline.simulator.state.accounts import SimAccount
from certline.simulator.state.authority import Authority
from certline.simulator.state.customer import Customer
from certline.simulator.state.customer_parts import SUBMITTED, SimDomain
from certline.simulator.state.faults import InjectedFault
from certline.simulator.state.look import SimLook
from certline.simulator.state.records import Issue, Record
from certline.simulator.wire.answers import Refusal
from certline.simulator.wire.dates import now

FIRST_ID = 18440127
FIRST_ORDER = 2907713345
# Above the id of every seeded domain.
FIRST_DOMAIN_ID = 41001
# CA's reason code for revoking a replaced certificate (RFC 5280).
SUPERSEDED = 4
DAY = timedelta(days=1)
# Certificates signed before other calls get their turn; they take about ten milliseconds.
SIGN_AT_ONCE = 25
ALPHABET = string.ascii_letters + string.digits


@dataclass
class Scm:
    """A simulated SCM with one customer; all its state is in memory."""

    settings: SimSettings = field(default_factory=SimSettings)
    customer: Customer = field(default_factory=Customer)
    authority: Authority = field(default_factory=Authority)
    records: dict[int, Record] = field(default_factory=dict)
    by_renew_id: dict[str, int] = field(default_factory=dict)
    faults: list[InjectedFault] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    passwords: dict[str, str] = field(default_factory=dict)
    failed_logins: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    last_id: int = FIRST_ID - 1
    last_domain_id: int = FIRST_DOMAIN_ID - 1
    next_order: int = FIRST_ORDER
    resets: int = 0
    looks: list[SimLook] = field(default_factory=list)
    # Names that the CA's resolver found absent: name and type → end of the memory, by `time.monotonic`.
    absent: dict[tuple[str, str], float] = field(default_factory=dict)

    def forget(self) -> None:
        """Discard the state; ids start again from the first, but the CA stays the same."""
        self.customer = Customer()
        self.records.clear()
        self.by_renew_id.clear()
        self.faults.clear()
        self.calls.clear()
        self.passwords.clear()
        self.failed_logins.clear()
        self.tokens.clear()
        self.looks.clear()
        self.absent.clear()
        self.last_id = FIRST_ID - 1
        self.last_domain_id = FIRST_DOMAIN_ID - 1
        self.next_order = FIRST_ORDER
        self.resets += 1

    def next_id(self) -> int:
        """Return an id that no record has had."""
        self.last_id += 1
        return self.last_id

    def next_domain_id(self) -> int:
        """Return an id that no domain has had."""
        self.last_domain_id += 1
        return self.last_domain_id

    def next_order_number(self) -> int:
        """Return the CA's number for one more order."""
        self.next_order += 1
        return self.next_order - 1

    def all(self) -> Iterable[Record]:
        """Return every record in the order of ids, with its status brought up to date."""
        moment = now()
        for record in self.records.values():
            self.settle(record, moment)
        return self.records.values()

    def record(self, ssl_id: int, *, reading: bool = False) -> Record:
        """Return the record with this id, with its status brought up to date. Raises Refusal if there is none.

        SCM's refusal of an unknown id differs between reads (`reading`) and actions.
        """
        found = self.records.get(ssl_id)
        if found is None and reading:
            code = self.settings.unknown_id_code
            raise Refusal(code, "Certificate not found.", status=self.settings.unknown_id_status)
        if found is None:
            raise self.unknown()
        self.settle(found, now())
        return found

    def unknown(self) -> Refusal:
        """Return the refusal of an action on a certificate that doesn't exist."""
        code = self.settings.unknown_id_action_code
        status_code = self.settings.unknown_id_action_status
        return Refusal(code, "Wrong certificate id.", status=status_code)

    def settle_validation(self, found: SimDomain) -> None:
        """Complete a submitted validation that is due, for the domain and all domains below it.

        With `dcv_checks` only a mail is due by itself; for the other proofs the CA looks (`api/dcv/looks.py`).
        """
        top = self.customer.top_of(found)
        for domain in self.customer.domains:
            proof = domain.validation
            if domain.bare != top or proof.order != SUBMITTED or proof.submitted_at is None:
                continue
            if self.settings.dcv_checks and proof.order_mode != "EMAIL":
                continue
            ready = proof.submitted_at + timedelta(milliseconds=self.settings.dcv_after_ms)
            if now() >= ready:
                self.complete_validation(domain, ready)

    def complete_validation(self, found: SimDomain, at: datetime) -> None:
        """Validate a domain, and all domains below it, by the proof that was submitted."""
        mode = found.validation.order_mode or found.validation.mode
        for each in self.customer.family(found.bare):
            each.validation = each.validation.completed(at, mode)

    def settle(self, record: Record, moment: datetime) -> None:
        """Apply the changes that are due at this time: the CA issues, and a certificate expires."""
        if record.status == status.APPLIED and record.applied_at is not None:
            due = record.applied_at + timedelta(milliseconds=self.settings.issue_after_ms)
            if moment >= due:
                self.issue(record, moment)
        if record.status == status.ISSUED and record.issue and moment >= record.issue.not_after:
            record.status = status.EXPIRED

    def add(self, record: Record, account: SimAccount) -> Record:
        """Accept a new order; it waits for an administrator's approval unless that is automatic."""
        self.keep(record)
        self.request(record, account)
        return record

    def keep(self, record: Record) -> None:
        """Store a record."""
        self.records[record.ssl_id] = record
        self.by_renew_id[record.renew_id] = record.ssl_id

    def request(self, record: Record, account: SimAccount) -> None:
        """Submit an order for approval, which is automatic if the switch and the account's privileges allow it."""
        record.status = status.REQUESTED
        if self.settings.auto_approve and account.has("autoApproveCertificates", self.settings):
            self.approve(record, "Auto Approve")

    def approve(self, record: Record, owner: str) -> None:
        """Approve an order and pass it on to the CA. Raises Refusal unless it waits for approval."""
        if record.status != status.REQUESTED:
            raise Refusal(-1112, f"The certificate cannot be approved in state {record.status}.")
        record.status = status.APPROVED
        record.owner = owner
        record.approved_at = now()
        self.apply(record)

    def apply(self, record: Record, *, new_number: bool = True) -> None:
        """Pass the order on to the CA."""
        record.status = status.APPLIED
        record.applied_at = now()
        if new_number or record.order_number is None:
            record.order_number = self.next_order_number()
        self.settle(record, record.applied_at)

    def decline(self, record: Record) -> None:
        """Decline an order as an administrator. Raises Refusal unless it waits for approval."""
        if record.status != status.REQUESTED:
            raise Refusal(-1112, f"The certificate cannot be declined in state {record.status}.")
        record.status = status.DECLINED
        record.declined_at = now()

    def reject(self, record: Record) -> None:
        """Reject an order as the CA. Raises Refusal unless it is pending."""
        if record.status not in status.PENDING:
            raise Refusal(-1112, f"The certificate cannot be rejected in state {record.status}.")
        record.status = status.REJECTED

    def issue_now(self, record: Record) -> None:
        """Approve the order if necessary, and issue its certificate at once. Raises Refusal in other statuses."""
        if record.status == status.REQUESTED:
            self.approve(record, "Control Door")
        if record.status == status.APPLIED:
            self.issue(record, now())
        elif record.status != status.ISSUED:
            raise Refusal(-1112, f"The certificate cannot be issued in state {record.status}.")

    def expire(self, record: Record) -> None:
        """Make an issued certificate expire now. Raises Refusal if there is none."""
        if record.status != status.ISSUED or record.issue is None:
            raise Refusal(-1112, f"The certificate cannot expire in state {record.status}.")
        record.issue.not_after = now().replace(microsecond=0)
        record.status = status.EXPIRED

    def issue(self, record: Record, moment: datetime) -> None:
        """Issue the certificate. A replacement expires when the certificate before it would have expired."""
        if record.earlier and self.settings.replace_revokes_old:
            record.earlier[-1].revoke(moment, SUPERSEDED)
        starts = moment.replace(microsecond=0)
        ends = starts + record.term * DAY - timedelta(seconds=1)
        if record.earlier:
            ends = record.earlier[-1].not_after
        # 16 octets with the top bit clear and the next one set, so that every serial number is positive in DER
        # and of the same length.
        serial = secrets.randbits(126) | 1 << 126
        record.issue = Issue(serial, starts, ends, record.key, record.names)
        record.issued_at = moment
        record.status = status.ISSUED

    def shown_status(self, record: Record) -> str:
        """Return the status as shown by SCM; during a replacement SCM's is unknown, so a switch decides."""
        if record.status == status.APPLIED and record.earlier:
            return self.settings.replace_status
        return record.status

    def certificate(self, record: Record, issue: Issue) -> x509.Certificate:
        """Return the certificate, signing it if this is the first time it is read."""
        if issue.certificate is None:
            organization = self.customer.organization(record.org_id)
            issue.certificate = self.authority.sign(
                issue.key,
                issue.names,
                organization.name if organization else "",
                serial=issue.serial,
                not_before=issue.not_before,
                not_after=issue.not_after,
            )
        return issue.certificate

    async def sign_all(self, records: Iterable[Record]) -> None:
        """Sign all certificates not signed yet, a few at a time, so that other calls get their turn."""
        unsigned = [r for r in records if r.issue and r.issue.certificate is None]
        for number, record in enumerate(unsigned):
            if record.issue:
                self.certificate(record, record.issue)
            if number % SIGN_AT_ONCE == 0:
                await asyncio.sleep(0)


def new_renew_id() -> str:
    """Return an opaque id of 20 letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(20))


def new_token() -> str:
    """Return an opaque token."""
    return secrets.token_urlsafe(48)
