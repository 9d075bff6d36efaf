"""The kind of key that a certificate's successor gets: as before, or the nearest that its profile allows.

What is inherited is not judged like an option that a user typed: a key that can't be had again is replaced by the
nearest one, and the replacement is reported. Pure functions.
"""

import re
from dataclasses import dataclass

from certline.models.accounts.catalogue import Profile
from certline.models.orders.checks import USUAL_KEYS, key_problem, usual_key

# Bits of security of RSA keys by their length, for comparison with EC keys (NIST SP 800-57 part 1, table 2).
RSA_STRENGTH = ((1024, 80), (2048, 112), (3072, 128), (7680, 192), (15360, 256))


@dataclass(frozen=True)
class SuccessorKey:
    """Kind of the new key. `remark`: why it is another kind than before, or None if it is the same."""

    algorithm: str
    size: str
    remark: str | None = None


def successor_key(profile: Profile | None, algorithm: str, size: str) -> SuccessorKey | None:
    """Return the kind of key that follows a key of the given kind, or None if certline can make no key that the
    profile allows.
    """
    before = (algorithm, size)
    allowed = [key for key in USUAL_KEYS if profile is None or not key_problem(profile, *key)]
    if not allowed:
        return None
    if before in allowed:
        return SuccessorKey(*before)
    nearest = _nearest(before, allowed)
    problem = key_problem(profile, *before) if profile is not None else None
    why = problem or f"certline makes no {algorithm} {size} keys"
    return SuccessorKey(
        *nearest, f"the new key is {' '.join(nearest)} in place of {' '.join(before)}: {why}"
    )


def chosen_key(
    profile: Profile | None, before: tuple[str, str], algorithm: str | None, size: str | None
) -> SuccessorKey | None:
    """Return the kind of key of a successor for which algorithm, size or both may be named; the rest is as before,
    or the first default that the profile allows.
    """
    if size is not None:
        return SuccessorKey(algorithm or ("EC" if size.startswith("P-") else "RSA"), size)
    if algorithm is None:
        return successor_key(profile, *before)
    if algorithm == before[0]:
        nearest = successor_key(profile, *before)
        if nearest is not None and nearest.algorithm == algorithm:
            return nearest
    return SuccessorKey(*usual_key(profile, algorithm))


def _nearest(before: tuple[str, str], allowed: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the allowed key nearest to `before`: of the same algorithm if there is one; of two, the stronger."""
    same = [key for key in allowed if key[0] == before[0]]
    if same:
        own = _bits(before[1])
        return min(same, key=lambda key: (abs(_bits(key[1]) - own), -_bits(key[1])))
    strength = _strength(*before)
    if strength is None:
        return allowed[0]
    return min(allowed, key=lambda key: _distance(key, strength))


def _distance(key: tuple[str, str], strength: float) -> tuple[float, float]:
    own = _strength(*key) or 0
    return abs(own - strength), -own


def _bits(size: str) -> int:
    found = re.search(r"\d+", size)
    # Sizes come from certificates of others: nothing longer than a real key's length is read as a number.
    return int(found[0][:6]) if found else 0


def _strength(algorithm: str, size: str) -> float | None:
    """Return the bits of security of a key; None for an algorithm other than RSA and EC."""
    bits = _bits(size)
    if algorithm == "EC":
        return bits / 2
    if algorithm != "RSA":
        return None
    below = (0, 0.0)
    for length, strength in RSA_STRENGTH:
        if bits <= length:
            share = (bits - below[0]) / (length - below[0])
            return below[1] + share * (strength - below[1])
        below = (length, strength)
    return below[1]
