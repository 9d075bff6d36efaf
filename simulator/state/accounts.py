"""Simulated API accounts: an administrator of the whole customer, of an organisation, and of a department."""

from dataclasses import dataclass

from certline.simulator.settings import SimSettings
from certline.simulator.wire.answers import Refusal

PRIVILEGES = (
    "sslRequest",
    "sslRenew",
    "sslReplace",
    "sslRevoke",
    "sslApprove",
    "sslManage",
    "autoApproveCertificates",
    "allowDCV",
    "allowManageDomains",
)


@dataclass(frozen=True, slots=True)
class SimAccount:
    """An administrator of SCM, limited to the organisations in `org_ids`; None means the whole customer."""

    id: int
    login: str
    role: str
    mail: str
    org_ids: frozenset[int] | None = None

    def sees(self, org_id: int) -> bool:
        """Return True if the account may see what belongs to this organisation or department."""
        return self.org_ids is None or org_id in self.org_ids

    def need(self, privilege: str, settings: SimSettings) -> None:
        """Raise Refusal if the account lacks this privilege."""
        if not self.has(privilege, settings):
            text = (
                "You are not authorized to perform DCV validation."
                if privilege == "allowDCV"
                else "You are not authorized to perform this operation."
            )
            raise Refusal(settings.no_privilege_code, text)

    def has(self, privilege: str, settings: SimSettings) -> bool:
        """Return True if the account has this privilege: by default all, except those in `withheld_privileges`."""
        return f"{self.login}:{privilege}" not in settings.withheld_privileges


ACCOUNTS = {
    account.login: account
    for account in (
        SimAccount(301, "admin", "MRAO", "svc-pipeline@nordhafen.example"),
        # The hospital with its department, and one department of the university.
        SimAccount(302, "rao", "RAO_SSL", "pki@hospital.example", frozenset({9201, 9202})),
        SimAccount(303, "drao", "DRAO_SSL", "it-services@nordhafen.example", frozenset({9102})),
    )
}
