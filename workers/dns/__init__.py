"""Where the proof of a domain goes: providers that publish it, and the look whether it is seen."""

from certline.workers.dns.lookup.resolution import Resolution
from certline.workers.dns.lookup.sight import ProofSight, destination, look
from certline.workers.dns.proof import Method, Proof
from certline.workers.dns.provider import DnsError, DnsRefused, DnsTryLater, Provider
from certline.workers.dns.providers import open_provider

__all__ = [
    "DnsError",
    "DnsRefused",
    "DnsTryLater",
    "Method",
    "Proof",
    "ProofSight",
    "Provider",
    "Resolution",
    "destination",
    "look",
    "open_provider",
]
