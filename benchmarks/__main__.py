"""Run of all benchmarks of `make bench`, each in a process of its own, and their report in docs/performance.md.

One that fails costs the others nothing: it is named in the report and at the end, with exit code 1.
`python -m benchmarks NAME …` runs some of them; the figures of the others stay as they were measured last.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report
from benchmarks.report import Measured

FOLDER = Path(__file__).parent
# In this order: what is quick first. Each has `main()`, which prints its figures, and `figures()`.
BENCHMARKS = (
    "command_line",
    "wake_to_call",
    "audit_chain",
    "relay",
    "renewal_storm",
    "import_estate",
    "scale_out",
    "million",
)
# A benchmark that takes longer is ended.
SECONDS = 900
# All of them together.
TARGET_SECONDS = 20 * 60
RUN = """import json, pathlib, sys
from benchmarks import {name}
pathlib.Path(sys.argv[1]).write_text(json.dumps({name}.figures()))"""


def main(wanted: list[str]) -> int:
    """Run the benchmarks, write the report, and return the exit code."""
    start = time.monotonic()
    present = [name for name in BENCHMARKS if (FOLDER / f"{name}.py").exists()]
    unknown = sorted(set(wanted) - set(present))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(present)}")
        return 2
    found = report.load() if wanted else {}
    for name in wanted or present:
        print(f"{name} ...", flush=True)
        found[name] = measured(name)
        print(f"  {found[name].seconds:.0f} s", found[name].failure or "", flush=True)
        report.save(found)
    report.write(found)
    failed = [name for name, each in found.items() if each.failure]
    seconds = time.monotonic() - start
    print(f"{report.PAGE.name} is written; {seconds:.0f} s, of {TARGET_SECONDS} s at most")
    for row in report.missed(found):
        print(f"  missed: {row}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def measured(name: str) -> Measured:
    """Run one benchmark and return what it measured, or why it failed."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-c", RUN.format(name=name), str(file)]
        try:
            done = subprocess.run(command, timeout=SECONDS, check=False)
            failure = None if done.returncode == 0 else f"it ended with exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            failure = f"it took more than {SECONDS} s"
        figures = {} if failure else json.loads(file.read_text())
    return Measured(figures, time.monotonic() - start, failure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
