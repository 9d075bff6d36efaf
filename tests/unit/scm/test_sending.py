"""Tests of how calls are sent: reads directly or through a proxy, and an order that is late not at all."""

import pytest

from certline.workers.scm import CertificateFilter, Login, NotSent, ScmClient
from certline.workers.scm.transport.connections import since_boot
from tests.unit.scm.conftest import ORDER, SECRET, Connect
from tests.unit.scm.odd_server import OddServer, as_json, http

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


def test_a_read_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with OddServer([http("200 OK", b"[]")] * 2) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        client = ScmClient(Login("http://scm.example/api", "c", "l", SECRET))
        assert [client.organizations() for _ in range(2)] == [[], []]

        assert [seen.target for seen in proxy.seen] == [
            "GET http://scm.example/api/organization/v1"
        ] * 2


def test_a_client_that_was_closed_opens_new_connections(connect: Connect) -> None:
    with OddServer([http("200 OK", b"[]")] * 2) as server:
        client = connect(server)
        assert client.organizations() == []
        client.close()
        assert client.organizations() == []


def test_a_read_sends_the_login_and_its_query_as_any_other_call_does(connect: Connect) -> None:
    with OddServer([http("200 OK", b"[]")] * 2) as server:
        client = connect(server)
        client.certificates(CertificateFilter(common_name="ä b&c=d"))
        client.profiles()

        first, second = server.seen
        assert first.target.split("?")[1] == "commonName=%C3%A4+b%26c%3Dd&size=200&position=0"
        assert second.target.endswith("/ssl/v1/types")
        for seen in server.seen:
            assert {"login", "password", "customeruri"} <= {name.lower() for name in seen.headers}
