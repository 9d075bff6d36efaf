"""Switches of the simulator, for behaviour in which SCM may differ or that a test needs."""

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

HOST = "127.0.0.1"
PORT = 8500

# Settings that are an address, or empty.
ADDRESSES = ("dcv_resolver", "dcv_http")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[\w.-]+):[0-9]{1,5}")


@dataclass(slots=True)
class SimSettings:
    """All switches with their defaults; `docs/simulator.md` describes each of them."""

    latency_ms: int = 0
    issue_after_ms: int = 1000
    auto_approve: bool = True
    rate_limit_per_s: float | None = None
    page_default: int = 12
    page_max: int = 200

    # Logins, and requirements set by the customer.
    password: str = "secret"  # noqa: S105  # the simulator's own, published in its documentation
    password_state: str = "ALIVE"  # noqa: S105  # a state, not a secret
    password_days: int = 90
    admin_type: str = "API"
    lock_out_after: int = 0
    token_life_s: int = 300
    withheld_privileges: list[str] = field(default_factory=list)
    mandatory_custom_fields: list[str] = field(default_factory=list)
    external_requester_required: bool = False
    api_disabled_organizations: list[int] = field(default_factory=list)
    no_renewal_profiles: list[int] = field(default_factory=list)
    www_profiles: list[int] = field(default_factory=list)
    dcv_enabled: bool = True
    dcv_after_ms: int = 1000
    dcv_checks: bool = False
    dcv_resolver: str = ""
    dcv_http: str = ""
    dcv_again_ms: int = 600_000
    dcv_days: int = 0
    clock_ahead_s: int = 0

    # Behaviour of SCM that isn't known for certain.
    pending_code: int = 0
    unknown_id_status: int = 404
    unknown_id_code: int = -5101
    unknown_id_action_status: int = 400
    unknown_id_action_code: int = -124
    unknown_organization_code: int = -1023
    foreign_organization_code: int = -226
    no_privilege_code: int = -3
    shows_admins: bool = True
    api_disabled_code: int = -1021
    single_domain_code: int = -1601
    unvalidated_code: int = -107
    dcv_margin_days: int = 2
    dcv_rejects_after: int = 0
    dcv_follows_cnames: bool = True
    dcv_remembers_absence: bool = True
    dcv_sync_looks: bool = False
    dcv_new_proofs: bool = False
    dcv_of_suspended: bool = False
    strict_renew_body: bool = False
    renew_needs_csr: bool = False
    renew_twice: bool = True
    reason_code_required: bool = False
    reason_code_as_text: bool = False
    retry_after: bool = True
    cut_page_size: bool = False
    exact_filters: bool = False
    newest_first: bool = False
    date_format: str = "US"
    obey_date_format: bool = True
    day_zone_hours: int = 0
    spoken_states: bool = False
    unicode_domains: bool = False
    list_lag_ms: int = 0
    collect_lag_ms: int = 0
    replace_status: str = "Applied"
    replace_collects_old: bool = False
    replace_new_order_number: bool = False
    replace_revokes_old: bool = False

    def change(self, wanted: dict[str, Any]) -> None:
        """Change settings. Raises ValueError for an unknown name or a wrong type, and then changes nothing."""
        kinds = {f.name: f.type for f in fields(self)}
        for name, value in wanted.items():
            if name not in kinds:
                raise ValueError(f"unknown setting '{name}'")
            if not _fits(value, str(kinds[name])):
                raise ValueError(f"setting '{name}' cannot be {value!r}")
            if name in ADDRESSES and value and not _ADDRESS.fullmatch(value):
                raise ValueError(f"setting '{name}' must be HOST:PORT, not {value!r}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return all settings."""
        return asdict(self)


def _fits(value: Any, kind: str) -> bool:
    kind = kind.removeprefix("<class '").removesuffix("'>")
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind.startswith("float"):
        positive = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        return value is None or positive
    wanted = str if "str" in kind else int
    return isinstance(value, list) and all(isinstance(item, wanted) for item in value)
