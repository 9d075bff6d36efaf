"""The interfaces of a hundred DNS providers, by dns-lexicon, in a process of its own.

What is other people's code runs apart: it gets the credentials of this provider over a pipe, and neither our
environment nor our memory, prints where nobody reads, and is ended when its time is up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from certline.workers.dns.proof import Proof
from certline.workers.dns.provider import DnsRefused, DnsTryLater
from certline.workers.dns.zone import closest

# The process, and dns-lexicon's own package of providers.
PROCESS = "certline.workers.dns.lexicon_process"
# Seconds for one change, with all calls to the provider's interface.
WHOLE = 90.0
# Seconds that resolvers may remember a proof, where the provider allows it. Many allow no less than 300.
TTL = 300
# Variables of our environment that the process gets: the way to the network, and the certificates trusted there.
PASSED_ON = (
    *(
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
# `auto` guesses the provider; the zone's own name servers say nothing about who may change it.
LEFT_OUT = ("auto", "base")


@dataclass(frozen=True)
class LexiconProvider:
    """A provider of dns-lexicon. `options`: those of its own that are no secret."""

    provider: str
    zones: tuple[str, ...]
    options: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    ttl: int = TTL

    @classmethod
    def of(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> LexiconProvider:
        """Return the provider. Settings: `provider`, `options`, `zones`, `ttl`; secrets: options of its own.

        Raises DnsRefused.
        """
        provider = str(settings.get("provider") or "")
        if provider not in provider_names():
            raise DnsRefused(f"dns-lexicon knows no provider {provider!r}")
        options = {str(name): str(value) for name, value in (settings.get("options") or {}).items()}
        ttl = int(settings.get("ttl") or TTL)
        return cls(provider, tuple(settings.get("zones", ())), options, dict(secrets), ttl)

    def publish(self, proof: Proof) -> None:
        """Add the record, unless it is there. See `Provider`."""
        self._run("publish", proof)

    def withdraw(self, proof: Proof) -> None:
        """Remove exactly this record. See `Provider`."""
        self._run("withdraw", proof)

    def _run(self, action: str, proof: Proof) -> None:
        if not proof.method.is_record:
            raise DnsRefused(
                f"{proof.name} is a file on a web server, which a DNS provider cannot put in place; use a "
                "provider of the kind folder or command"
            )
        zone = closest(proof.name, self.zones)
        if zone is None:
            raise DnsRefused(
                f"{proof.name} lies in none of the provider's zones: {', '.join(self.zones)}"
            )
        task = {
            "action": action,
            "provider": self.provider,
            # The zone as the provider has it, where the proofs are allowed in a part of it only.
            "zone": self.options.get("domain", zone),
            "type": proof.method.upper(),
            "name": proof.name,
            "value": proof.value,
            "ttl": self.ttl,
            "options": {**self.options, **self.secrets},
        }
        outcome, said = _carried_out(task)
        if outcome == "later":
            raise DnsTryLater(f"{self.provider} (dns-lexicon): {said}")
        if outcome != "done":
            raise DnsRefused(f"{self.provider} (dns-lexicon): {said}")


def provider_names() -> list[str]:
    """Return the names of dns-lexicon's providers, none where it is not installed. Its code is not loaded."""
    found = find_spec("lexicon")
    if found is None or not found.submodule_search_locations:
        return []
    folder = Path(found.submodule_search_locations[0]) / "_private" / "providers"
    names = {file.stem for file in folder.glob("[a-z]*.py")}
    return sorted(names - set(LEFT_OUT))


def options_of(provider: str) -> list[str]:
    """Return the names of a provider's own options, credentials among them. Raises DnsRefused, DnsTryLater."""
    outcome, said = _carried_out({"action": "options", "provider": provider})
    if outcome == "later":
        raise DnsTryLater(f"{provider} (dns-lexicon): {said}")
    if outcome != "done":
        raise DnsRefused(f"{provider} (dns-lexicon): {said}")
    return said.split()


def _carried_out(task: Mapping[str, Any]) -> tuple[str, str]:
    """Run the process. Returns (`done`, `refused` or `later`, what was said)."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # No HOME: what lies in the worker's own, such as ~/.netrc or ~/.aws, is none of its business.
    environment["HOME"] = "/nonexistent"
    with subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-I", "-m", PROCESS],
        env=environment,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            document = json.dumps({**task, "starter": os.getpid()})
            said, _ = process.communicate(document.encode(), timeout=WHOLE)
        except subprocess.TimeoutExpired:
            return "later", f"it did not answer within {WHOLE:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    try:
        answer = json.loads(said)
        return str(answer["outcome"]), str(answer["said"])
    except (ValueError, KeyError, TypeError):
        return "later", f"its process ended without an answer (exit code {process.returncode})"
