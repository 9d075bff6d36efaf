"""PromQL of the dashboard. `$installation` and `$__rate_interval` are Grafana's variables."""

from dataclasses import dataclass

INSTALLATION = 'installation=~"$installation"'


@dataclass(frozen=True)
class Query:
    """A query of a panel. `legend`: template of a series' name. `buckets`: its series are `le` buckets."""

    expression: str
    legend: str = ""
    buckets: bool = False


def series(metric: str, where: str = "") -> str:
    """Return a metric's series in the chosen installation; `where`: further matchers."""
    return f"{metric}{{{', '.join(filter(None, (INSTALLATION, where)))}}}"


def figure(metric: str, where: str = "", by: str = "") -> str:
    """Return a figure of the producers', which all report the same."""
    joined = f"max by ({by})" if by else "max"
    return f"{joined} ({series(metric, where)})"


def total(metric: str, where: str = "", by: str = "") -> str:
    """Return a figure of the producers', summed over its other labels."""
    return f"sum (max by ({by}) ({series(metric, where)}))"


def rate(metric: str, where: str = "", by: str = "") -> str:
    """Return how much a counter of all processes grows in a second."""
    joined = f"sum by ({by})" if by else "sum"
    return f"{joined} (rate({series(metric, where)}[$__rate_interval]))"


def grown(metric: str, within: str, by: str) -> str:
    """Return how much a counter of all processes has grown within a time."""
    return f"sum by ({by}) (increase({series(metric)}[{within}]))"


def quantile(share: float, metric: str, by: str = "", within: str = "$__rate_interval") -> str:
    """Return a quantile of a histogram of all processes, over what was counted within a time."""
    labels = ", ".join(filter(None, ("le", by)))
    buckets = f"sum by ({labels}) (rate({series(f'{metric}_bucket')}[{within}]))"
    return f"histogram_quantile({share}, {buckets})"


def or_zero(expression: str) -> str:
    """Return the expression, or 0 where it has no series although a producer reports figures."""
    return f"{expression} or 0 * min ({series('certline_figures_age_seconds')})"


def or_else(expression: str, value: int) -> str:
    """Return the expression, or a value where it has none."""
    return f"{expression} or vector({value})"
