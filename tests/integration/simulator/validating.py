"""A customer of the simulated SCM who validates domains."""

from typing import Any

from tests.servers.process import until
from tests.unit.simulator.customer import Customer

V1 = "/dcv/v1/validation"
SECONDS = 15


class Validating(Customer):
    """A customer with the calls of a validation."""

    def create(self, name: str, org_id: int = 9102, **more: Any) -> None:
        """Create a domain, delegated to an organisation."""
        delegations = [{"orgId": org_id, "certTypes": ["SSL"]}]
        answer = self.post("/domain/v1", {"name": name, "delegations": delegations, **more})
        assert answer.status_code == 201, answer.text

    def begin(self, name: str, method: str) -> dict[str, Any]:
        """Start a validation. Returns what has to be published."""
        answer = self.post(f"{V1}/start/domain/{method}", {"domain": name})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def submit(self, name: str, method: str) -> dict[str, Any]:
        """Submit a validation. Returns the answer."""
        answer = self.post(f"{V1}/submit/domain/{method}", {"domain": name})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def state(self, name: str) -> tuple[str, str]:
        """Return the state of a domain's validation, and of the one in progress."""
        found = self.post(f"{V1}/status", {"domain": name}).json()
        return found["status"], found["orderStatus"]

    def looks(self) -> list[dict[str, Any]]:
        """Return the CA's looks so far."""
        found: list[dict[str, Any]] = self.door("GET", "/looks").json()
        return found

    def after_looks(self, count: int) -> str | None:
        """Wait until the CA has looked so often; return why the last of these looks didn't see the proof."""
        look = until(lambda: self.looks()[count - 1 : count], SECONDS)[0]
        return str(look["why"]) if look["why"] is not None else None

    def until_validated(self, name: str) -> None:
        """Wait until a domain is validated, and nothing is in progress."""
        until(lambda: self.state(name) == ("VALIDATED", "NOT_INITIATED"), SECONDS)
