"""Names of the DNS: which are the same, and which lie in a zone, below which a provider may write."""

from collections.abc import Iterable


def same_name(one: str, other: str) -> bool:
    """Return True if two texts are one name: case and a dot at the end do not count."""
    return one.rstrip(".").lower() == other.rstrip(".").lower()


def is_below(name: str, zone: str) -> bool:
    """Return True if a name is that of a zone, or lies below it."""
    inner, outer = name.rstrip(".").lower(), zone.strip(".").lower()
    return same_name(inner, outer) or inner.endswith(f".{outer}")


def closest(name: str, zones: Iterable[str]) -> str | None:
    """Return the longest of the zones that a name lies in, or None."""
    return max((zone for zone in zones if is_below(name, zone)), key=len, default=None)
