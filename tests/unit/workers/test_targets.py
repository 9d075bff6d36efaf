"""Tests of the addresses to which a webhook may post."""

import socket

import pytest

from certline.workers.webhooks.special_addresses import is_public
from certline.workers.webhooks.targets import BadTargetError, Target, addresses_of, target_of

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"),  # noqa: S104  # refused
    *("192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1"),
    *("239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1"),
    *("2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_of_a_network_of_ones_own_is_not_however_it_is_wrapped(address: str) -> None:
    assert not is_public(address)


def test_a_url_is_taken_apart() -> None:
    assert target_of("https://hooks.example/a/b?c=d") == Target(
        "https", "hooks.example", 443, "/a/b?c=d"
    )
    assert target_of("https://[2606::1]:8443") == Target("https", "2606::1", 8443, "/")
    assert target_of("http://box:8080/x", allow_private=True).port == 8080


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("hooks.example/a", "https://"),
        ("ftp://hooks.example", "https://"),
        ("https://", "a host"),
        ("http://hooks.example", "needs --allow-private"),
        ("https://ida:hunter2@hooks.example", "no user name or password"),
        ("https://hooks.example/#a", "no #"),
        ("https://hooks.example/a b", "blanks"),
        ("https://hooks.example/\r\nX: y", "blanks"),
        ("https://hööks.example/", "ASCII"),
        ("https://hooks.example:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://hooks.example/" + "a" * 2000, "at most 2000"),
    ],
)
def test_a_url_that_is_none_of_ours_is_refused_in_words(url: str, says: str) -> None:
    with pytest.raises(BadTargetError, match=says) as refusal:
        target_of(url)

    assert "hunter2" not in str(refusal.value)


def test_the_place_of_a_target_has_neither_path_nor_query() -> None:
    assert target_of("https://hooks.example/T0K3N?key=17").place == "https://hooks.example:443"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_this_machine_is_refused_by_whatever_name(host: str) -> None:
    target = target_of(f"https://{host}/")

    with pytest.raises(BadTargetError, match="not a public address; --allow-private"):
        addresses_of(target)
    assert addresses_of(target, allow_private=True)


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(BadTargetError, match=r"is 10\.0\.0\.7, which"):
        addresses_of(target_of("https://hooks.example/"))
