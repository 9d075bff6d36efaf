"""Providers: where the proofs of domains go, and who may write there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.database.secret_place import BESIDE, place_of

if TYPE_CHECKING:
    from certline.models.vault import Vault


class ProviderKind(StrEnum):
    """Kind of provider: how it writes."""

    RFC2136 = "rfc2136"  # dynamic update of a name server
    LEXICON = "lexicon"  # the interface of a DNS provider, by dns-lexicon
    COMMAND = "command"  # an operator's program
    FOLDER = "folder"  # files below a web server's folder
    MANUAL = "manual"  # a person


# What a kind can put in place; a person and a program can do both.
_RECORDS = {ProviderKind.RFC2136, ProviderKind.LEXICON, ProviderKind.COMMAND, ProviderKind.MANUAL}
_FILES = {ProviderKind.FOLDER, ProviderKind.COMMAND, ProviderKind.MANUAL}


class DnsProvider(Base):
    """A provider: how it writes, below which names, and with what.

    `zones`: names in ASCII form, in lower case. `settings_json`: its settings as canonical JSON; nothing in them
    is secret. The credentials are bound to them, so that they are sent to no other server. `requested_by`: who
    added it.
    """

    __tablename__ = "dns_provider"
    __table_args__ = (CheckConstraint("cardinality(zones) > 0", name="zones_given"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[ProviderKind] = mapped_column(stored_by_value(ProviderKind))
    zones: Mapped[list[str]]
    settings_json: Mapped[str]
    credentials_sealed: Mapped[bytes | None] = mapped_column(
        info={BESIDE: ("kind", "settings_json")}
    )
    requested_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, without the zones."""
        found: dict[str, Any] = json.loads(self.settings_json)
        return found

    def can(self, *, record: bool) -> bool:
        """Return True if it can put a record in place; not `record`: a file on a web server."""
        return self.kind in (_RECORDS if record else _FILES)

    def __repr__(self) -> str:
        return f"DnsProvider({self.name!r}, {self.kind!s})"


def canonical(settings: Mapping[str, Any]) -> str:
    """Return settings as JSON, the same text for the same settings."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal_credentials(vault: Vault, provider: DnsProvider, credentials: Mapping[str, str]) -> None:
    """Seal the credentials of a provider for its row, whose other values must be known. Raises
    WithdrawnVaultError.
    """
    place = place_of(provider, "credentials_sealed")
    provider.credentials_sealed = vault.seal(json.dumps(dict(credentials)).encode(), place)


def credentials_of(vault: Vault, provider: DnsProvider) -> dict[str, str]:
    """Return the credentials of a provider, which must stay in memory; none if it has none.

    Raises WrongSecretKeyError, MovedSecretError, WithdrawnVaultError.
    """
    if provider.credentials_sealed is None:
        return {}
    place = place_of(provider, "credentials_sealed")
    opened: dict[str, str] = json.loads(vault.open(provider.credentials_sealed, place))
    return opened


def providers(db: Session) -> list[DnsProvider]:
    """Load all providers by name."""
    return list(db.scalars(select(DnsProvider).order_by(DnsProvider.name)))


def provider_named(db: Session, name: str) -> DnsProvider | None:
    """Return the provider of that name, or None."""
    return db.scalar(select(DnsProvider).where(DnsProvider.name == name))


def provider_for(
    db: Session, host: str, dns: str | None = None, *, record: bool = True
) -> DnsProvider | None:
    """Return the provider that may put a proof of a host in place, or None.

    `host`: in ASCII form. `dns`: the name of the only provider that is asked for. `record`: whether the proof is a
    record of the DNS, or else a file on a web server. The one with the longest zone that the host lies in; of
    several, one that writes by itself, then the first by name.
    """
    return choose(providers(db), host, dns, record=record)


def choose(
    among: Sequence[DnsProvider], host: str, dns: str | None = None, *, record: bool = True
) -> DnsProvider | None:
    """Return the provider of those given, as `provider_for` does."""

    def rank(each: DnsProvider) -> tuple[int, bool, str]:
        longest = max(len(zone) for zone in each.zones if lies_in(host, zone))
        return -longest, each.kind is ProviderKind.MANUAL, each.name

    able = [
        each
        for each in among
        if dns in (None, each.name)
        and each.can(record=record)
        and any(lies_in(host, zone) for zone in each.zones)
    ]
    return min(able, key=rank, default=None)


def shared_zones(
    among: Sequence[DnsProvider], provider: DnsProvider
) -> dict[tuple[str, bool], list[str]]:
    """Return those zones of a provider that others of those given have too, each with the names of all of them.

    Once for proofs that are records (True), and once for files; the first of the names is the one that gets them.
    """
    found = {}
    for zone in provider.zones:
        for record in (True, False):
            able = [each for each in among if zone in each.zones and each.can(record=record)]
            first = choose(able, zone, record=record)
            if first is not None and provider.can(record=record) and len(able) > 1:
                others = [each.name for each in able if each is not first]
                found[zone, record] = [first.name, *others]
    return found


def lies_in(host: str, zone: str) -> bool:
    """Return True if a host is a zone's name, or lies below it. Both in ASCII form."""
    inner, outer = host.rstrip(".").lower(), zone.rstrip(".").lower()
    return inner == outer or inner.endswith(f".{outer}")
