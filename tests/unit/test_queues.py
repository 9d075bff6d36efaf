"""Tests that every queue has a consumer, and users with permissions."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from certline.models import Queue

ROOT = Path(__file__).parents[2]


def test_the_workers_in_containers_share_out_all_queues() -> None:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    commands = [service.get("command", "") for service in services.values()]
    workers = [command for command in commands if command.startswith("run worker")]

    listened = [
        name for text in workers for name in text.split("--queues ")[1].split()[0].split(",")
    ]

    assert sorted(f"certline.{name}" for name in listened) == sorted(Queue)


def test_workers_may_read_each_queue_and_declare_it_with_its_delays_and_dead_letters() -> None:
    definitions = json.loads((ROOT / "deploy" / "rabbitmq" / "definitions.json").read_text())
    users = {each["user"]: each for each in definitions["permissions"]}

    for queue in Queue:
        assert re.search(users["certline-worker"]["read"], queue)
        for name in (queue, f"{queue}.DQ", f"{queue}.XQ"):
            for part in ("worker", "relay", "ingress"):
                assert re.search(users[f"certline-{part}"]["configure"], name), f"{part} {name}"
        assert not re.search(users["shop"]["read"], queue)
