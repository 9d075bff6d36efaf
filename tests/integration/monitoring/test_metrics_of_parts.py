"""Integration tests of `/metrics`: several worker processes are one target, and so is `run all`."""

import requests
from prometheus_client.parser import text_string_to_metric_families

from certline.models import OrderStatus
from certline.simulator.server import Simulator
from tests.servers import session, until
from tests.support.deployment import Plant


def scraped(port: int) -> dict[str, float]:
    """Return the samples at a port, each under its name and labels: `name{a=b}`."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
    answer.raise_for_status()
    return {
        f"{one.name}{{{','.join(f'{key}={value}' for key, value in sorted(one.labels.items()))}}}": one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def ordered(plant: Plant, simulator: Simulator, count: int) -> None:
    """Add the account, and order so many certificates until they are stored."""
    plant.add_account(simulator.url)
    placed = [plant.place(f"host{number}.nordhafen.example") for number in range(count)]
    for command in placed:
        plant.until(command, OrderStatus.STORED)


def test_whichever_of_several_worker_processes_answers_counts_the_work_of_all(
    database_url: str, vhost: str, simulator: Simulator
) -> None:
    port = session.free_port()
    with Plant(database_url, vhost, CERTLINE_METRICS_PORT=str(port)) as plant:
        plant.start("worker", "--processes=2", "--threads=2")
        del plant.environment["CERTLINE_METRICS_PORT"]
        plant.start("relay")
        ordered(plant, simulator, 12)
        counted = "certline_step_seconds_count{outcome=done,step=order}"

        until(lambda: scraped(port).get(counted) == 12, 30)
        # Each connection reaches one of the processes; an answer is kept for five seconds.
        found = [scraped(port) for _ in range(20)]

    assert {one[counted] for one in found} == {12}
    assert {one["certline_order_stored_seconds_count{kind=new}"] for one in found} == {12}
    assert {
        one["certline_scm_call_seconds_count{operation=enroll,outcome=ok}"] for one in found
    } == {12}
    assert not any(name.startswith("certline_orders{") for name in found[0])


def test_run_all_is_one_target_with_the_figures_and_the_work_of_all_parts(
    database_url: str, vhost: str, simulator: Simulator
) -> None:
    port = session.free_port()
    with Plant(database_url, vhost, CERTLINE_METRICS_PORT=str(port)) as plant:
        plant.start("all")
        ordered(plant, simulator, 2)
        counted = "certline_step_seconds_count{outcome=done,step=order}"
        until(lambda: scraped(port).get(counted) == 2, 30)

        found = scraped(port)
        below = [
            requests.get(f"http://127.0.0.1:{port + number}/metrics", timeout=10).status_code
            for number in range(1, 5)
        ]

    assert found["certline_relay_published_total{kind=event}"] > 0
    assert "certline_license_capacity{}" in found
    assert any(name.startswith("certline_build_info{part=all,") for name in found)
    assert below == [404] * 4
