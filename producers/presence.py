"""The presence of a running process: its heartbeat in the database, its endpoints for probes, its spans."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from certline.models import Database
from certline.models.heartbeat import Part, ScmTally
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.installation_figures import InstallationFigures
from certline.workers.metrics.exposition import Exposition
from certline.workers.process.health import serve_health
from certline.workers.process.heart import Heart, beating
from certline.workers.process.parent_watch import is_below_run_all
from certline.workers.process.readiness import Check, Readiness
from certline.workers.tracing.setup import tracing


@contextmanager
def alive(
    settings: Settings,
    database: Database,
    part: Part,
    check: Check,
    *,
    vault: Vault | None,
    live: Check | None = None,
    queues: Sequence[str] = (),
    threads: int = 0,
    tally: ScmTally | None = None,
) -> Iterator[None]:
    """Show the health of this process for the length of the block: its heartbeat, and HTTP if a port is set.

    Its spans are recorded, if that is switched on. `live`: why only a restart would help, if that can be said;
    `tally`: its calls to SCM, if it makes any.
    """
    if settings.metrics_port is not None:
        ready = Readiness(database.url, check)
        serve_health(settings, check, _exposition(database.url, part), live=live, ready=ready.fault)
    every = settings.heartbeat_seconds
    heart = Heart(
        database,
        part,
        every=every,
        check=check,
        queues=queues,
        vault=vault,
        threads=threads,
        tally=tally,
    )
    with tracing(part.value), beating(heart):
        yield


def _exposition(url: str, part: Part) -> Exposition | None:
    """Return the metrics that this process serves: a producer those of the installation too."""
    if is_below_run_all():
        return None
    figures = [InstallationFigures(url)] if part in (Part.PRODUCER, Part.UP) else []
    return Exposition(part.value, figures)
