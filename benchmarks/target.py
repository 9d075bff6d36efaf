"""A row of the table in docs/performance.md: what is to be reached, and what it was before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """A row of the table. `number`: of the target; `before`: measured before the work on speed.

    `shown`: a format of the benchmark's figures, or a function of them. `reached` is given them; None where
    nothing is to be reached.
    """

    number: int
    what: str
    before: str
    benchmark: str
    shown: str | Callable[[Figures], str]
    target: str = ""
    reached: Callable[[Figures], bool] | None = None
