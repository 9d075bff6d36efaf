"""Results of steps: what is stored as JSON in the row of a command that is done."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class StepResult:
    """Base class of the results of steps; the fields are the keys of the stored JSON."""

    def document(self) -> dict[str, Any]:
        """Return the result as the JSON object that is stored."""
        return asdict(self)


@dataclass(frozen=True)
class OrderResult(StepResult):
    """Base class of the results about an order; `order_status` is the order's status when the step ended."""

    order_id: str
    order_status: str
