"""Tests of the providers' table: which one a host's proof goes to, and how its credentials are kept."""

import pytest
from cryptography.fernet import Fernet

from certline.models import Database, DnsProvider, ProviderKind
from certline.models.domains.provider import (
    canonical,
    credentials_of,
    provider_for,
    seal_credentials,
)
from certline.models.vault import MovedSecretError, Vault


def add(
    database: Database,
    name: str,
    *zones: str,
    kind: ProviderKind = ProviderKind.RFC2136,
) -> None:
    with database.transaction() as db:
        db.add(
            DnsProvider(
                name=name,
                kind=kind,
                zones=list(zones),
                settings_json="{}",
                requested_by="os:ida",
            )
        )


@pytest.mark.parametrize(
    ("host", "named", "record", "found"),
    [
        ("shop.example", None, True, "wide"),
        ("_a.shop.example", None, True, "wide"),
        ("_a.eu.shop.example", None, True, "narrow"),
        ("_A.EU.Shop.Example.", None, True, "narrow"),
        ("_a.eu.shop.example", "wide", True, "wide"),
        ("noshop.example", None, True, None),
        ("_a.eu.shop.example", "elsewhere", True, None),
        ("other.example", None, True, "beside"),
        ("eu.shop.example", None, False, "web"),
        ("other.example", "wide", False, None),
    ],
)
def test_the_provider_with_the_longest_zone_is_chosen(
    database: Database, host: str, named: str | None, record: bool, found: str | None
) -> None:
    add(database, "wide", "shop.example")
    add(database, "narrow", "old.example", "eu.shop.example")
    add(database, "person", "eu.shop.example", "other.example", kind=ProviderKind.MANUAL)
    add(database, "beside", "other.example")
    add(database, "web", "shop.example", "eu.shop.example", kind=ProviderKind.FOLDER)

    with database.transaction() as db:
        provider = provider_for(db, host, named, record=record)

    assert (provider and provider.name) == found


def test_credentials_open_only_with_the_settings_that_they_were_stored_with(
    database: Database,
) -> None:
    vault = Vault(Fernet.generate_key().decode())
    add(database, "ours", "shop.example")
    with database.transaction() as db:
        provider = provider_for(db, "shop.example")
        assert provider is not None
        provider.settings_json = canonical({"server": "ns1.shop.example", "ttl": 60})
        seal_credentials(vault, provider, {"secret": "c2VjcmV0"})
    with database.transaction() as db:
        provider = provider_for(db, "shop.example")
        assert provider is not None
        assert credentials_of(vault, provider) == {"secret": "c2VjcmV0"}
        assert provider.settings == {"server": "ns1.shop.example", "ttl": 60}

        provider.settings_json = canonical({"server": "evil.example", "ttl": 60})
        with pytest.raises(MovedSecretError):
            credentials_of(vault, provider)


def test_a_provider_is_shown_without_its_credentials() -> None:
    row = DnsProvider(name="ours", kind=ProviderKind.LEXICON, credentials_sealed=b"sealed")

    assert repr(row) == "DnsProvider('ours', lexicon)"
