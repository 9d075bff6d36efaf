"""The kinds of providers, each with what opens it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from certline.workers.dns.provider import DnsRefused, Provider

# Kind -> module and class, imported when a provider of that kind is opened.
KINDS = {
    "rfc2136": ("rfc2136", "DynamicUpdate"),
    "lexicon": ("lexicon", "LexiconProvider"),
    "command": ("program", "OperatorsProgram"),
    "folder": ("folder", "WebFolder"),
    "manual": ("by_hand", "ByHand"),
}


def open_provider(
    kind: str, settings: Mapping[str, Any], secrets: Mapping[str, str] | None = None
) -> Provider:
    """Return the provider of a kind. Nothing is sent yet.

    `settings` have nothing secret; `zones`, the names below which it may write, are among them. Raises DnsRefused
    for settings that cannot be used.
    """
    if kind not in KINDS:
        raise DnsRefused(
            f"{kind!r} is no kind of provider that this version knows: {', '.join(KINDS)}"
        )
    module, name = KINDS[kind]
    opened: Provider = getattr(import_module(f"{__package__}.{module}"), name).of(
        settings, secrets or {}
    )
    return opened
