"""Tests of the board in deploy/kubernetes: who reaches it, what its probes ask, and the users that it is given."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import requests

from certline.board.access.policy import access_policy
from certline.board.access.users_file import UsersFile
from certline.board.app import build_app
from certline.board.context import open_context
from certline.board.server import PORT, listen, serving, url_of
from certline.models.settings import Settings
from tests.deploy.manifests import (
    Manifest,
    by_part,
    container,
    egress_ports,
    everything,
    labels,
    of_kind,
    pod,
    selects,
)

# Nobody listens there.
NO_DATABASE = "postgresql://certline_board@127.0.0.1:1/line?connect_timeout=2"
PASSWORD = "correct horse battery"
POSTGRES, DNS = 5432, 53
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the files are root's: root only")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """Return all manifests, with the optional ones and KEDA."""
    return everything("keda", tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def board(manifests: list[Manifest]) -> Manifest:
    """Return the board's Deployment."""
    return by_part(manifests)["board"]


def ingress_rules(manifests: list[Manifest], part: str) -> list[dict[str, Any]]:
    """Return the rules of the network policies for what comes in to the pods of a part."""
    found = labels(by_part(manifests)[part])
    return [
        rule
        for policy in of_kind(manifests, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], found)
        for rule in policy["spec"].get("ingress", [])
    ]


def test_it_listens_at_the_port_of_its_service_and_of_its_probes(
    manifests: list[Manifest], board: Manifest
) -> None:
    (service,) = of_kind(manifests, "Service")
    (port,) = service["spec"]["ports"]
    found = container(board)

    assert found["ports"] == [{"name": "http", "containerPort": PORT}]
    assert (port["port"], port["targetPort"]) == (PORT, "http")
    assert {
        name: selects({"matchLabels": service["spec"]["selector"]}, labels(each))
        for name, each in by_part(manifests).items()
    } == {name: name == "board" for name in by_part(manifests)}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert found[probe]["httpGet"]["port"] == "http"


def test_it_is_reached_from_the_ingress_controller_only(manifests: list[Manifest]) -> None:
    controller = {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}
    by_port = {rule["ports"][0]["port"]: rule["from"] for rule in ingress_rules(manifests, "board")}

    assert by_port["http"] == [{"namespaceSelector": controller}]
    # The rule of all parts for their metrics, a port that the board does not have.
    assert by_port.keys() == {"http", "metrics"}
    assert "http" not in {rule["ports"][0]["port"] for rule in ingress_rules(manifests, "worker")}


def test_it_reaches_postgres_and_nothing_else(manifests: list[Manifest]) -> None:
    assert egress_ports(manifests, "board") == {POSTGRES, DNS}


def test_there_is_one_pod_of_it_because_sessions_are_in_its_memory(board: Manifest) -> None:
    assert board["spec"]["replicas"] == 1


def test_an_outage_of_postgres_takes_it_out_of_service_and_restarts_nothing(
    board: Manifest, tmp_path: Path
) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("ida", PASSWORD)
    paths = {
        probe: container(board)[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    window = open_context(Settings(database_url=NO_DATABASE))
    listener = listen("127.0.0.1", 0)
    try:
        with serving(build_app(window, access_policy("0.0.0.0", users)), listener):  # noqa: S104
            at = url_of(listener).rstrip("/")
            answers = {
                probe: requests.get(at + path, timeout=30, allow_redirects=False).status_code
                for probe, path in paths.items()
            }
    finally:
        window.close()

    assert answers == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}


def test_who_looks_through_the_ingress_controller_is_known_by_his_own_address(
    board: Manifest, tmp_path: Path
) -> None:
    users = UsersFile(tmp_path / "users")
    users.add("ida", PASSWORD)
    given = [each.partition("=") for each in container(board)["args"]]
    trusted = [value for name, _, value in given if name == "--trust-from"]
    access = access_policy("0.0.0.0", users, None, trusted)  # noqa: S104
    # Networks that clusters use for pods: of kubeadm, k3s, GKE, AKS and EKS, and of IPv6.
    pods = ("10.244.1.7", "10.42.0.9", "172.20.3.4", "192.168.9.1", "100.64.0.9", "fd00:10::7")

    assert [peer for peer in pods if not access.is_proxy(peer)] == []
    assert [
        peer for peer in ("203.0.113.9", "2001:db8::1", "127.0.0.1") if access.is_proxy(peer)
    ] == []
    assert "--trust-header" not in {name for name, _, _ in given}  # it names no users


@needs_root
def test_it_takes_the_users_as_kubernetes_mounts_them(
    board: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume,) = [each for each in pod(board)["volumes"] if "secret" in each]
    (mount,) = [each for each in container(board)["volumeMounts"] if each["name"] == volume["name"]]
    (variable,) = [
        each for each in container(board)["env"] if each["name"] == "CERTLINE_BOARD_USERS_FILE"
    ]
    folder, _, name = variable["value"].rpartition("/")
    assert mount == {"name": volume["name"], "mountPath": folder, "readOnly": True}
    made = UsersFile(tmp_path / name)
    made.add("ida", PASSWORD)
    # A sticky folder, and links to the newest set of files; all of it root's and the pod's group's.
    mounted = tmp_path / "volume"
    (mounted / "..2026").mkdir(parents=True)
    (mounted / "..2026").chmod(0o2755)
    mounted.chmod(0o3777)
    (mounted / "..2026" / name).write_bytes(made.path.read_bytes())
    (mounted / "..2026" / name).chmod(volume["secret"]["defaultMode"])
    (mounted / "..data").symlink_to("..2026")
    (mounted / name).symlink_to(f"..data/{name}")
    group = pod(board)["securityContext"]["fsGroup"]
    for each in (mounted, mounted / "..2026", mounted / "..2026" / name):
        os.chown(each, 0, group)
    user = pod(board)["securityContext"]["runAsUser"]
    monkeypatch.setattr(os, "geteuid", lambda: user)

    assert UsersFile(mounted / name).is_right("ida", PASSWORD)
    assert volume["secret"]["defaultMode"] & 0o047 == 0o040  # its group reads it, others do not


def test_the_page_makes_the_users_as_the_file_that_is_mounted(board: Manifest) -> None:
    page = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text("utf-8")
    (variable,) = [
        each for each in container(board)["env"] if each["name"] == "CERTLINE_BOARD_USERS_FILE"
    ]
    made = re.findall(r"create secret generic certline-board-users --from-file=(\S+)", page)

    assert set(made) == {Path(variable["value"]).name}
