"""Program of `make faults`: the fault tests in their long form, then random kills with many seeds; or one seed.

python -m tests.faults --seeds 100          everything; rewrites the table in docs/reliability.md
python -m tests.faults --seed 17            replays one seed
"""

import os
import subprocess
import sys
from contextlib import ExitStack

import click
import psycopg

from certline.simulator.server import running
from tests.conftest import migrate
from tests.faults.crashes.points import STORIES
from tests.faults.crashes.runner import points_of
from tests.faults.harness.scenario import Stage
from tests.faults.random import report
from tests.faults.random.kills import Run, run
from tests.faults.random.scale import EVERYTHING
from tests.servers import PostgresServer, RabbitServer, open_postgres, open_rabbitmq
from tests.support.deployment import Plant
from tests.support.forkserver import Nursery


@click.command()
@click.option("--seeds", default=0, help="Seeds 1 to N, after the fault tests in their long form.")
@click.option("--seed", "chosen", type=int, help="This seed only.")
@click.option("--commands", default=200, help="Commands of each seed.")
@click.option("--suite/--no-suite", default=True, help="The fault tests before the seeds.")
def main(seeds: int, chosen: int | None, commands: int, *, suite: bool) -> None:
    """Run fault tests and random kills; exit 1 if a check failed at the end of a seed."""
    tests = run_suite() if chosen is None and suite else ""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        rabbitmq = stack.enter_context(open_rabbitmq())
        template = stack.enter_context(postgres.database())
        migrate(template)
        nursery = stack.enter_context(Nursery())
        runs = [
            play(
                seed,
                commands,
                postgres=postgres,
                rabbitmq=rabbitmq,
                template=template,
                nursery=nursery,
            )
            for seed in ([chosen] if chosen is not None else range(1, seeds + 1))
        ]
        versions = report.Versions(postgres_version(postgres), rabbitmq.ctl("version").strip())
    if chosen is None:
        points = sum(len(points_of(effects)) for effects in STORIES.values())
        report.write(report.tell(runs, versions, points, tests))
    sys.exit(any(each.wrong for each in runs))


def play(
    seed: int,
    commands: int,
    *,
    postgres: PostgresServer,
    rabbitmq: RabbitServer,
    template: str,
    nursery: Nursery,
) -> Run:
    """Run one seed on a database, a vhost and a simulator of its own, and print its faults."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres.database(template))
        vhost = stack.enter_context(rabbitmq.vhost())
        simulator = stack.enter_context(running(issue_after_ms=50))
        plant = stack.enter_context(Plant(url, vhost))
        stage = Stage(nursery, plant, vhost, simulator)
        stack.callback(stage.stop_parts)
        stage.add_account()
        for part in ("relay", "producer", "ingress"):
            stage.start(part)
        outcome = run(stage, seed, commands)
    click.echo(f"seed {seed}: {outcome.died.total()} kills, {outcome.asked.total()} commands")
    for fault in outcome.wrong:
        click.echo(f"  {fault}", err=True)
    if outcome.wrong:
        click.echo(f"replay it: make faults SEED={seed} FAULTS='--commands {commands}'", err=True)
    return outcome


def run_suite() -> str:
    """Run the fault tests in their long form. Returns pytest's summary; ends the program if a test fails."""
    words = [sys.executable, "-m", "pytest", "-q", "tests/faults", "--timeout", "1800"]
    done = subprocess.run(
        words, env=os.environ | {EVERYTHING: "all"}, stdout=subprocess.PIPE, text=True, check=False
    )
    click.echo(done.stdout)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip().splitlines()[-1].partition(" in ")[0]


def postgres_version(server: PostgresServer) -> str:
    """Return the server's version, such as 17.2."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]).split()[0] if row else ""


if __name__ == "__main__":
    main()
