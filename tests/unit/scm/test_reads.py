"""Tests of how reads are sent: over connections that are prepared once, or through a proxy."""

import pytest

from certline.workers.scm import CertificateFilter, Login, ScmClient
from tests.unit.scm.conftest import SECRET, Connect
from tests.unit.scm.odd_server import OddServer, http


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
