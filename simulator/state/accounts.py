"""The administrators who may call: the whole customer's, an organisation's, a department's."""

from dataclasses import dataclass

from certline.simulator.settings import Settings
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
class Account:
    """One administrator of SCM. Without `org_ids` nothing of the customer is hidden from it."""

    id: int
    login: str
    role: str
    mail: str
    org_ids: frozenset[int] | None = None

    def sees(self, org_id: int) -> bool:
        """Whether what belongs to that organisation or department is shown to it."""
        return self.org_ids is None or org_id in self.org_ids

    def need(self, privilege: str, settings: Settings) -> None:
        """Refuse what the administrator was not given the privilege for."""
        if not self.has(privilege, settings):
            text = (
                "You are not authorized to perform DCV validation."
                if privilege == "allowDCV"
                else "You are not authorized to perform this operation."
            )
            raise Refusal(settings.no_privilege_code, text)

    def has(self, privilege: str, settings: Settings) -> bool:
        """Whether it has a privilege: every one, until a switch takes `login:privilege` away."""
        return f"{self.login}:{privilege}" not in settings.withheld_privileges


ACCOUNTS = {
    account.login: account
    for account in (
        Account(301, "admin", "MRAO", "svc-pipeline@nordhafen.example"),
        # The hospital with its department, and one department of the university.
        Account(302, "rao", "RAO_SSL", "pki@hospital.example", frozenset({9201, 9202})),
        Account(303, "drao", "DRAO_SSL", "it-services@nordhafen.example", frozenset({9102})),
    )
}
