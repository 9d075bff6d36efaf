"""Order data that a successor takes over from its predecessor, and the changes that a reissue makes to it."""

from typing import Any

from certline.models import Certificate, Order, Profile
from certline.models.commands.payloads import ReissueCommand

# Key sizes used when a reissue names a new algorithm without a size.
USUAL_SIZE = {"RSA": "2048", "EC": "P-256"}


def as_before(certificate: Certificate, origin: Order, profile: Profile | None) -> dict[str, Any]:
    """Return a certificate's data as the fields of an order command: the defaults for its successor."""
    terms = profile.terms if profile else []
    # Where a profile no longer offers the old term, SCM itself uses the longest one (26.1).
    kept = origin.term in terms or not terms
    password = certificate.keystore_password_sealed
    return {
        "common_name": certificate.common_name,
        "sans": [name for name in certificate.sans if name != certificate.common_name],
        "organization": str(origin.organization_id),
        "profile": str(origin.profile_id),
        "term": (origin.term or 1) if kept else max(terms),
        "key_algorithm": certificate.key_algorithm,
        "key_size": certificate.key_size,
        "keystore_type": certificate.keystore_type,
        "keystore_password_sealed": None if password is None else password.decode(),
        "comments": origin.comments,
        "external_requesters": origin.external_requesters,
        "custom_fields": origin.custom_fields,
    }


def changes(certificate: Certificate, asked: ReissueCommand) -> dict[str, Any]:
    """Return the order fields that a reissue changes. The keystore's password is always replaced."""
    changes: dict[str, Any] = {"keystore_password_sealed": asked.keystore_password_sealed}
    if asked.common_name is not None:
        changes["common_name"] = asked.common_name
        changes["sans"] = [name for name in certificate.sans if name != certificate.common_name]
    if asked.sans is not None:
        changes["sans"] = asked.sans
    algorithm = asked.key_algorithm or (_algorithm_of(asked.key_size) if asked.key_size else None)
    if algorithm is not None:
        same = algorithm == certificate.key_algorithm
        size = certificate.key_size if same else USUAL_SIZE[algorithm]
        changes |= {"key_algorithm": algorithm, "key_size": asked.key_size or size}
    if asked.keystore_type is not None:
        changes["keystore_type"] = asked.keystore_type
    return changes


def _algorithm_of(key_size: str) -> str:
    return "EC" if key_size.startswith("P-") else "RSA"
