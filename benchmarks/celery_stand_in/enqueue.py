"""Sends one task for each renewal that is due."""

import psycopg

from benchmarks.celery_stand_in.tasks import DATABASE_URL, app, renew


def main() -> None:
    """Send the tasks over one connection."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as db:
        due = db.execute("SELECT id FROM renewal WHERE status = 'due' ORDER BY id").fetchall()
    with app.producer_pool.acquire(block=True) as producer:
        for (renewal,) in due:
            renew.apply_async([renewal], producer=producer)


if __name__ == "__main__":
    main()
