"""The same renewals as a competent team's own three Celery tasks; runs in an environment of its own."""
