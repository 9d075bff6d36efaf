"""Stories of the providers of proofs: the process that adds or removes one dies."""

from collections.abc import Sequence

from certline.models import ProviderKind
from certline.models.audit.identity import Identity
from certline.models.database.base import new_id
from certline.models.domains.provider import provider_named
from certline.producers.domains.providers import add_provider, remove_provider
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import type_twice

WHO = Identity("os:test")


def a_provider_is_added(stage: Stage, points: Sequence[str]) -> None:
    """Kill `dns add`; typed again, the provider exists once."""
    for point in points:
        name = new_id().lower()
        words = (
            "dns",
            "add",
            name,
            "--provider",
            "folder",
            "--folder",
            "/srv",
            "--zones",
            "a.test",
        )
        type_twice(stage, point, *words)
        remove_provider(stage.plant.database, name, who=WHO)


def a_provider_is_removed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `dns remove`."""
    database, vault = stage.plant.database, stage.plant.vault
    for point in points:
        name = new_id().lower()
        add_provider(
            database,
            vault,
            name,
            ProviderKind.MANUAL,
            ["a.test"],
            settings={},
            credentials={},
            who=WHO,
        )
        type_twice(stage, point, "dns", "remove", name)
        with database.transaction() as db:
            assert provider_named(db, name) is None
