"""The manifests of deploy/kubernetes as kustomize builds them, and what the tests ask of them."""

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]

# An overlay with every component but the one that excludes another.
EVERYTHING = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: certline
resources: [../../base]
components: [../../components/hooks, ../../components/{scaler}, ../../components/podmonitor]
"""


def build(overlay: Path) -> list[Manifest]:
    """Return the manifests that kustomize builds from a folder. Raises CalledProcessError if it refuses them."""
    done = subprocess.run(
        [KUBECTL, "kustomize", str(overlay)], check=True, capture_output=True, text=True, timeout=60
    )
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def everything(scaler: str, folder: Path) -> list[Manifest]:
    """Return the manifests of the base with all optional components and a scaler, `keda` or `hpa`."""
    copy = folder / "kubernetes"
    shutil.copytree(FOLDER, copy)
    own = copy / "overlays" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(EVERYTHING.format(scaler=scaler), "utf-8")
    return build(own)


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Return the manifests of these kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def by_part(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the Deployments and the Job by the part that they run."""
    found = of_kind(manifests, "Deployment", "Job")
    return {each["metadata"]["labels"][COMPONENT]: each for each in found}


def pod(manifest: Manifest) -> Manifest:
    """Return the pod of a Deployment or a Job."""
    return dict(manifest["spec"]["template"]["spec"])


def container(manifest: Manifest) -> Manifest:
    """Return the one container of a Deployment or a Job."""
    (found,) = pod(manifest)["containers"]
    return dict(found)


def labels(manifest: Manifest) -> dict[str, str]:
    """Return the labels of the pods of a Deployment or a Job."""
    return dict(manifest["spec"]["template"]["metadata"]["labels"])


def selects(selector: Manifest, found: dict[str, str]) -> bool:
    """Return True if a selector matches labels; of expressions it knows `In`. Raises KeyError for others."""
    wanted = selector.get("matchLabels", {}).items()
    among = [
        found.get(each["key"]) in {"In": each["values"]}[each["operator"]]
        for each in selector.get("matchExpressions", [])
    ]
    return all(found.get(key) == value for key, value in wanted) and all(among)


def egress_ports(manifests: list[Manifest], part: str) -> set[int]:
    """Return the ports to which the network policies let the pods of a part connect."""
    found = labels(by_part(manifests)[part])
    return {
        port["port"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], found)
        for rule in policy["spec"].get("egress", [])
        for port in rule["ports"]
    }


def texts(value: object) -> Iterator[str]:
    """Yield every text in a manifest."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)
