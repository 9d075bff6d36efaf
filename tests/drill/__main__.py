"""Program of `make drill`: plays the drill once and prints its figures; exits 1 if the check found a fault.

python -m tests.drill --certificates 10000 --later 500 --backup moment
"""

import sys
import time

import click

from tests.drill.backups import WAYS
from tests.drill.figures import table
from tests.drill.play import Drill


@click.command()
@click.option("--certificates", default=100, help="Certificates before the backup.")
@click.option("--later", type=int, help="Orders after it; default: a twentieth, at least 10.")
@click.option("--backup", "way", type=click.Choice([*WAYS]), default="moment")
@click.option("--settle", default=10, help="CERTLINE_SETTLE_SECONDS; 900 in production.")
@click.option("--rate", default=10, help="CERTLINE_RATE_READ of the recovery, calls a second.")
def main(certificates: int, later: int | None, way: str, settle: int, rate: int) -> None:
    """Back up, lose and restore a line of its own, and print what that took."""
    begun = time.monotonic()

    def say(what: str) -> None:
        click.echo(f"{time.monotonic() - begun:7.1f} s  {what}")

    later = max(10, certificates // 20) if later is None else later
    found = Drill(certificates, later, way, settle, rate, say).play()
    click.echo(f"\n{table(found)}")
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main()
