"""A Dramatiq actor that does nothing but one POST: what `wake_to_call` compares certline with.

Run by `python -m dramatiq benchmarks.bare_actor`, and imported to send it messages.
"""

import os
import threading

import dramatiq
import requests
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=os.environ["BARE_BROKER_URL"])
dramatiq.set_broker(broker)
_local = threading.local()


@dramatiq.actor
def post() -> None:
    """Send the request over a connection that this thread keeps."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    _local.session.post(f"{os.environ['BARE_SCM_URL']}/bare", json={}, timeout=10)
