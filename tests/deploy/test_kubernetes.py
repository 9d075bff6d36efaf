"""Tests of deploy/kubernetes: it runs what compose.yaml runs, with no more rights, and holds no secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from certline.models import Queue
from certline.models.settings import VARIABLES, Settings
from certline.producers.processes import grace
from tests.deploy.manifests import (
    FOLDER,
    ROOT,
    Manifest,
    build,
    by_part,
    container,
    egress_ports,
    everything,
    labels,
    of_kind,
    pod,
    selects,
    texts,
)

# Services of compose.yaml that are no parts: they are servers of your own in Kubernetes, or for trying it.
NO_PARTS = {
    "board-users",  # the users of the board are a Secret (docs/kubernetes.md)
    "postgres",
    "rabbitmq-users",
    "rabbitmq",
    "simulator",
    "prometheus",
    "grafana",
}
POSTGRES, RABBITMQ, HTTPS = 5432, 5672, 443
# The file of the audit log's heads needs a volume; in Kubernetes the log and the event `audit.head` carry them.
NOT_HERE = {"producer": {"CERTLINE_AUDIT_HEADS"}}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """Return all manifests, with the optional ones and KEDA."""
    return everything("keda", tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def parts(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the Deployments and the Job by part."""
    return by_part(manifests)


def services() -> dict[str, Any]:
    """Return the services of compose.yaml that are parts."""
    found = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return {name: each for name, each in found.items() if name not in NO_PARTS}


def own_names(manifest: Manifest) -> set[str]:
    """Return the names of the variables that a part has of its own, apart from the common settings."""
    return {each["name"] for each in container(manifest)["env"]}


def common_names() -> set[str]:
    """Return the names of settings.env: those set, and those that it offers as comments."""
    text = (FOLDER / "base" / "settings.env").read_text("utf-8")
    return set(re.findall(r"^(?:# )?([A-Z_]+)=", text, re.MULTILINE))


def test_each_part_of_compose_has_its_deployment_and_init_is_a_job(
    parts: dict[str, Manifest],
) -> None:
    assert parts.keys() == services().keys()
    assert {name for name, each in parts.items() if each["kind"] == "Job"} == {"init"}


def test_a_part_is_started_as_in_compose(parts: dict[str, Manifest]) -> None:
    for name, service in services().items():
        args = container(parts[name])["args"]
        if name == "worker":
            # One process a pod, whatever the node's cores.
            assert args[-2:] == ["--processes", "1"]
            args = args[:-2]
        if name == "board":
            # There is always a proxy in front of it: tests/deploy/test_kubernetes_board.py.
            args = [each for each in args if not each.startswith("--trust-from=")]
        assert " ".join(args).replace("=", " ") == service["command"], name


def test_all_queues_have_workers(parts: dict[str, Manifest]) -> None:
    lists = [container(parts[name])["args"][3].split(",") for name in ("worker", "hooks")]

    assert sorted(f"certline.{name}" for each in lists for name in each) == sorted(Queue)


def test_a_part_has_the_variables_of_compose_and_no_others(parts: dict[str, Manifest]) -> None:
    for name, service in services().items():
        wanted = set(service["environment"]) - NOT_HERE.get(name, set())
        own = own_names(parts[name])

        assert own <= wanted, name
        if name == "init":
            # It has no settings beside its own variables.
            assert own == wanted
        else:
            assert wanted - own <= common_names(), name
            (source,) = container(parts[name])["envFrom"]
            assert source["configMapRef"]["name"].startswith("certline-settings")


def test_the_settings_that_are_offered_exist() -> None:
    ours = {name for name in common_names() if name.startswith("CERTLINE_")}

    assert ours <= {f"CERTLINE_{name.upper()}" for name in VARIABLES}


def test_secrets_are_referred_to_and_never_written(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == []
    for name, each in by_part(manifests).items():
        for variable in container(each)["env"]:
            if re.search("URL|PASSWORD|KEY", variable["name"]):
                assert variable.keys() == {"name", "valueFrom"}, name
                assert variable["valueFrom"].keys() == {"secretKeyRef"}, name
    for file in FOLDER.rglob("*.*"):
        assert not re.search(r"(?:postgresql|amqps?)://[^@\s]+@", file.read_text("utf-8")), file


def test_a_part_that_was_taken_over_has_nobody_elses_login(parts: dict[str, Manifest]) -> None:
    names = {
        name: {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in container(each)["env"]
            if "valueFrom" in variable
        }
        for name, each in parts.items()
    }

    assert names == {
        "init": {"certline-postgres-owner"},
        "worker": {"certline-postgres", "certline-rabbitmq-worker", "certline-secret-key"},
        "hooks": {"certline-postgres", "certline-rabbitmq-worker", "certline-secret-key"},
        "relay": {"certline-postgres", "certline-rabbitmq-relay"},
        "ingress": {"certline-postgres", "certline-rabbitmq-ingress", "certline-secret-key"},
        "producer": {"certline-postgres"},
        "board": {"certline-board"},
    }
    mounted = {
        name: {each["secret"]["secretName"] for each in pod(part)["volumes"] if "secret" in each}
        for name, part in parts.items()
    }
    assert {name: found for name, found in mounted.items() if found} == {
        "board": {"certline-board-users"}
    }


def test_the_page_makes_each_secret_that_is_referred_to(manifests: list[Manifest]) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    made = set(re.findall(r"create secret generic ([\w-]+)", page))
    referred = {
        text
        for each in manifests
        for text in texts(each)
        if re.fullmatch(r"certline-(postgres|rabbitmq|secret|board)-?[\w-]*", text)
    }

    # Also names of a NetworkPolicy and a TriggerAuthentication.
    assert referred - {"certline-rabbitmq"} == made


def test_the_image_is_named_in_one_place(parts: dict[str, Manifest]) -> None:
    files = [file.read_text("utf-8") for file in FOLDER.rglob("*.yaml")]

    assert {container(each)["image"] for each in parts.values()} == {
        "registry.example/certline:0.1.0"
    }
    assert sum(text.count("newName:") for text in files) == 1
    assert set(re.findall(r"^ +image: (.*)$", "\n".join(files), re.MULTILINE)) == {"certline"}


def test_no_pod_has_more_rights_than_in_compose(parts: dict[str, Manifest]) -> None:
    (user,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text("utf-8"))
    for name, each in parts.items():
        found = pod(each)
        assert found["automountServiceAccountToken"] is False, name
        assert found["securityContext"]["runAsNonRoot"] is True, name
        assert found["securityContext"]["runAsUser"] == int(user), name
        assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container(each)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"name": "tmp", "mountPath": "/tmp"} in container(each)["volumeMounts"], name  # noqa: S108
        assert not {"hostNetwork", "hostPID", "hostIPC"} & found.keys(), name
        assert container(each)["resources"].keys() == {"requests", "limits"}, name


def test_the_namespace_enforces_it(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_livez_restarts_a_part_and_readyz_takes_it_out_of_service(
    parts: dict[str, Manifest],
) -> None:
    for name, each in parts.items():
        if name in ("init", "board"):
            continue
        found = container(each)
        assert found["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}, name
        assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}, name
        assert found["startupProbe"]["httpGet"]["path"] == "/livez", name
        # The endpoint answers within five seconds, whatever happens.
        assert found["livenessProbe"]["timeoutSeconds"] >= 5
        assert found["ports"] == [{"name": "metrics", "containerPort": 9100}]


def test_no_order_is_cut_off_when_a_pod_is_stopped(parts: dict[str, Manifest]) -> None:
    for name in ("worker", "hooks"):
        assert pod(parts[name])["terminationGracePeriodSeconds"] >= grace(Settings()) + 10


def test_selectors_match_their_own_pods_and_no_others(manifests: list[Manifest]) -> None:
    found = by_part(manifests)
    for each in of_kind(manifests, "Deployment", "PodDisruptionBudget"):
        name = each["metadata"]["name"].removeprefix("certline-")
        chosen = {
            part for part, own in found.items() if selects(each["spec"]["selector"], labels(own))
        }
        assert chosen == {name}, each["kind"]


def test_each_deployment_has_a_budget_that_lets_a_node_be_drained(
    manifests: list[Manifest],
) -> None:
    budgets = {each["metadata"]["name"]: each for each in of_kind(manifests, "PodDisruptionBudget")}

    assert budgets.keys() == {each["metadata"]["name"] for each in of_kind(manifests, "Deployment")}
    assert all(each["spec"]["maxUnavailable"] == 1 for each in budgets.values())


def test_each_pod_spreads_over_nodes_and_zones(parts: dict[str, Manifest]) -> None:
    for name, each in parts.items():
        if name != "init":
            keys = [one["topologyKey"] for one in pod(each)["topologySpreadConstraints"]]
            assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], name


def test_everything_is_denied_that_no_policy_names(manifests: list[Manifest]) -> None:
    policies = {each["metadata"]["name"]: each for each in of_kind(manifests, "NetworkPolicy")}

    assert policies["certline-deny-all"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_a_part_reaches_its_own_servers_and_no_others(
    manifests: list[Manifest], parts: dict[str, Manifest]
) -> None:
    for name, each in parts.items():
        ports = egress_ports(manifests, name)
        assert POSTGRES in ports, name
        assert (RABBITMQ in ports) == ("CERTLINE_RABBITMQ_URL" in own_names(each)), name
        assert (HTTPS in ports) == (name in ("worker", "hooks")), name


def test_nobody_reaches_a_credentials_service_of_a_cloud(manifests: list[Manifest]) -> None:
    blocks = [
        one["ipBlock"]
        for policy in of_kind(manifests, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for one in rule.get("to", [])
        if "ipBlock" in one
    ]

    assert "169.254.0.0/16" in blocks[0]["except"]
    assert "fe80::/10" in blocks[1]["except"]


def test_what_is_scaled_by_load_has_no_number_of_its_own(tmp_path: Path) -> None:
    for manifests in (
        build(FOLDER / "overlays" / "cluster"),
        everything("hpa", tmp_path),
    ):
        (scaler,) = of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler")
        name = scaler["spec"]["scaleTargetRef"]["name"].removeprefix("certline-")
        assert "replicas" not in by_part(manifests)[name]["spec"]


def test_what_was_scaled_to_nothing_comes_back_with_the_next_apply(tmp_path: Path) -> None:
    """`kubectl apply` leaves a number alone that the manifests do not state (docs/kubernetes.md, "Upgrade")."""
    for manifests in (
        build(FOLDER / "overlays" / "small"),
        build(FOLDER / "overlays" / "cluster"),
        everything("keda", tmp_path / "keda"),
        everything("hpa", tmp_path / "hpa"),
    ):
        scaled = {
            each["spec"]["scaleTargetRef"]["name"]
            for each in of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler")
        }
        unstated = {
            each["metadata"]["name"]
            for each in of_kind(manifests, "Deployment")
            if each["spec"].get("replicas", 0) < 1
        }
        assert unstated == scaled


def test_keda_counts_the_queues_of_the_worker(manifests: list[Manifest]) -> None:
    (scaler,) = of_kind(manifests, "ScaledObject")
    counted = [each["metadata"]["queueName"] for each in scaler["spec"]["triggers"]]
    listened = container(by_part(manifests)["worker"])["args"][3].split(",")

    assert counted == [f"certline.{name}" for name in listened]


def test_a_cluster_has_two_of_each_part_but_the_board_and_quorum_queues() -> None:
    manifests = build(FOLDER / "overlays" / "cluster")
    found = by_part(manifests)
    (settings,) = of_kind(manifests, "ConfigMap")

    assert {found[name]["spec"]["replicas"] for name in ("relay", "ingress", "producer")} == {2}
    assert found["board"]["spec"]["replicas"] == 1
    assert of_kind(manifests, "ScaledObject")[0]["spec"]["minReplicaCount"] == 2
    assert settings["data"]["CERTLINE_QUEUE_TYPE"] == "quorum"
    assert settings["data"]["CERTLINE_METRICS_PORT"] == "9100"


def test_the_jobs_of_prometheus_are_those_that_the_alerts_know(manifests: list[Manifest]) -> None:
    (monitor,) = of_kind(manifests, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert endpoint["port"] == "metrics"
    assert endpoint["relabelings"][0]["replacement"] == "certline-$1"
    assert endpoint["relabelings"][0]["targetLabel"] == "job"
    assert endpoint["relabelings"][1]["targetLabel"] == "installation"


def test_init_is_run_anew_at_each_upgrade(parts: dict[str, Manifest]) -> None:
    annotations = parts["init"]["metadata"]["annotations"]

    assert annotations["argocd.argoproj.io/hook"] == "PreSync"
    assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    # It runs before the settings and the account of the others are there.
    assert "envFrom" not in container(parts["init"])
    assert pod(parts["init"])["serviceAccountName"] == "default"
