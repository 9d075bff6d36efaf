"""Tests that an order delayed between its claim and its POST is not sent any more."""

import pytest

from certline.workers.scm import NotSent, ScmClient
from certline.workers.scm.transport.connections import since_boot
from tests.unit.scm.conftest import ORDER, Connect
from tests.unit.scm.odd_server import OddServer, as_json

SENDING = {
    "enroll": lambda scm, moment: scm.enroll(ORDER, send_before=moment),
    "renew": lambda scm, moment: scm.renew(7, "MIIC", send_before=moment),
    "replace": lambda scm, moment: scm.replace(7, "MIIC", "a new server", send_before=moment),
}


@pytest.mark.parametrize("operation", SENDING)
def test_what_is_late_is_surely_not_sent(operation: str, connect: Connect) -> None:
    with OddServer([as_json("200 OK", {"sslId": 8})]) as server:
        with pytest.raises(NotSent, match="too late"):
            SENDING[operation](connect(server), since_boot() - 0.001)

        assert server.seen == []


def test_what_is_in_time_is_sent(connect: Connect) -> None:
    with OddServer([as_json("200 OK", {"sslId": 8})]) as server:
        client: ScmClient = connect(server)

        assert client.enroll(ORDER, send_before=since_boot() + 60).ssl_id == 8
        assert len(server.seen) == 1
