"""Tests that deploy/kubernetes fits the published schemas of Kubernetes, KEDA and Prometheus Operator."""

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
from cloudcoil.models.prometheus_operator.v1 import PodMonitor

from tests.deploy.manifests import FOLDER, Manifest, build, everything, of_kind

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
# Kinds of others than Kubernetes itself, whose classes are made from their published definitions.
FOREIGN: dict[str, Any] = {
    "ScaledObject": ScaledObject,
    "TriggerAuthentication": TriggerAuthentication,
    "PodMonitor": PodMonitor,
}


def newest_versions() -> list[str]:
    """Return the three newest minor versions that have schemas: `1.36`."""
    minors = {
        tuple(map(int, folder.name.removeprefix("v").split(".")[:2]))
        for folder in SCHEMAS.glob("v*-local-strict")
    }
    return [f"{major}.{minor}" for major, minor in sorted(minors)[-3:]]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """Return the manifests of both overlays, and of everything that is optional."""
    own = [everything(name, tmp_path_factory.mktemp(name)) for name in ("keda", "hpa")]
    built = [build(FOLDER / "overlays" / name) for name in ("small", "cluster")]
    return [each for one in (*own, *built) for each in one]


def lost(given: object, kept: object, where: str = "") -> list[str]:
    """Return the places of what is given and was not kept: a field that a class does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [
            place
            for key, value in given.items()
            for place in lost(value, kept.get(key), f"{where}.{key}")
        ]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [
            place
            for number, (one, other) in enumerate(zip(given, kept, strict=True))
            for place in lost(one, other, f"{where}[{number}]")
        ]
    return [] if given == kept else [where]


def unknown_fields(manifest: Manifest) -> list[str]:
    """Return the fields of a foreign kind's manifest that its class does not know. Raises ValidationError."""
    read = FOREIGN[manifest["kind"]].model_validate(manifest)
    return lost(manifest, read.model_dump(mode="json", by_alias=True, exclude_none=True))


@pytest.mark.parametrize("version", newest_versions())
def test_every_manifest_fits_kubernetes(version: str, manifests: list[Manifest]) -> None:
    own = [each for each in manifests if each["kind"] not in FOREIGN]
    assert len(own) > 60

    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", newest_versions())
def test_a_misspelt_field_is_found(version: str, manifests: list[Manifest]) -> None:
    wrong = copy.deepcopy(of_kind(manifests, "Deployment")[0])
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 270

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_what_belongs_to_keda_and_prometheus_operator_fits_their_definitions(
    manifests: list[Manifest],
) -> None:
    found = of_kind(manifests, *FOREIGN)

    assert {each["kind"] for each in found} == FOREIGN.keys()
    assert [place for each in found for place in unknown_fields(each)] == []


def test_a_misspelt_field_of_keda_is_found(manifests: list[Manifest]) -> None:
    wrong = copy.deepcopy(of_kind(manifests, "ScaledObject")[0])
    wrong["spec"]["triggers"][0]["authenticationReference"] = {"name": "x"}

    assert unknown_fields(wrong) == [".spec.triggers[0].authenticationReference"]
