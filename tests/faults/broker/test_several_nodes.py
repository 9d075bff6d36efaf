"""Fault tests of a node that answers nothing any more, with another one to go to."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from certline.producers.messaging.publisher import rabbit_wire
from certline.producers.messaging.shipment import WireDownError
from certline.producers.relay import Relay
from certline.workers.process.broker import CLUSTER_CONNECTION, HardenedBroker, connection_url
from tests.faults.broker.stock_or_ours import PATIENCE
from tests.faults.broker.workers import only_the_order_is_to_be_sent, waiting
from tests.integration.workers.conftest import Bench
from tests.servers import until
from tests.support.proxy import Break, Proxy

pytestmark = pytest.mark.slow


@pytest.fixture
def node(vhost: str) -> Iterator[Proxy]:
    """Yield a proxy that stands for a node which can hang."""
    with Proxy(vhost) as proxy:
        yield proxy


@pytest.mark.parametrize("heartbeat", [60])
def test_a_relay_whose_node_confirms_nothing_publishes_at_the_next_one(
    vhost: str, bench: Bench, node: Proxy, heartbeat: int
) -> None:
    """Heartbeats are too slow to notice it: the node may even answer them, as one without a majority does."""
    bench.place()
    only_the_order_is_to_be_sent(bench.database)
    own = f"?heartbeat={heartbeat}"
    urls = [connection_url(url + own, CLUSTER_CONNECTION) for url in (node.url, vhost)]
    with closing(HardenedBroker(url=urls)) as broker:
        broker._turns = count(0)  # begins with the node that will hang
        wire = rabbit_wire(broker)
        relay = Relay(bench.database, wire)
        wire.open()
        node.break_off(Break.HANG)
        with pytest.raises(WireDownError, match="does not answer"):
            relay.pump()
        wire.open()

        assert until(relay.pump, PATIENCE) == 1
        assert waiting(vhost) == 1
