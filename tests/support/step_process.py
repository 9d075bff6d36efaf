"""A process that runs steps as a worker does, for tests that kill it or let several of them race.

It prints `ready`, waits for a line on its input, and then runs the step for each of its commands.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pydantic import SecretStr

from certline.models import CommandType, Database
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.app import STEPS
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run


@contextmanager
def stepping(
    database_url: str,
    secret_key: str,
    kind: CommandType,
    commands: Sequence[str],
    *,
    threads: int = 1,
) -> Iterator["subprocess.Popen[str]"]:
    """Start the process and yield it once it is ready; it is killed at the end of the block."""
    given = json.dumps([database_url, secret_key, kind.value, threads, list(commands)])
    words = [sys.executable, "-m", "tests.support.step_process", given]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def begin(process: "subprocess.Popen[str]") -> None:
    """Make the process run its steps."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def main(database_url: str, secret_key: str, kind: str, threads: int, commands: list[str]) -> None:
    """Run the step of each command once, in so many threads."""
    settings = Settings(database_url=SecretStr(database_url), rate_read=1000, rate_order=1000)
    database = Database(database_url, pool_size=threads)
    line = WorkerContext(database, Vault(secret_key), settings)
    step = next(step for step in STEPS if step.type == kind)
    with ThreadPoolExecutor(threads) as pool:
        print("ready", flush=True)  # noqa: T201  # for the test
        sys.stdin.readline()
        list(pool.map(lambda command: run(line, step, command), commands))
    database.close()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
