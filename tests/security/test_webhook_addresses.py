"""What the owner of a webhook's name tries: to lead certline into networks that are not public."""

import ipaddress

import pytest

from certline.workers.webhooks.special_addresses import is_public

# Each block that IANA's special-purpose registries call not globally reachable, by its first and last address.
BLOCKS = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/31"),
    *("192.0.2.0/24", "192.88.99.2/32", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32"),
    *("::1/128", "::/128", "::ffff:0.0.0.0/104", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
    *("2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "2002::/16", "3fff::/20"),
    *("5f00::/16", "fc00::/7", "fe80::/10"),
    # Multicast, and site-local of old.
    *("224.0.0.0/4", "ff00::/8", "fec0::/10"),
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_name_cannot_lead_to_an_address_that_iana_calls_not_globally_reachable(
    block: str,
) -> None:
    network = ipaddress.ip_network(block)
    tried = [network[0], network[-1], network[network.num_addresses // 2]]

    assert [str(address) for address in tried if is_public(str(address))] == []


@pytest.mark.parametrize(
    "address",
    [
        *("192.0.0.192", "3fff::1", "168.63.129.16", "::ffff:168.63.129.16"),
        *("64:ff9b::a83f:8110", "fd00:ec2::254", "100.100.100.200", "169.254.169.254"),
    ],
)
def test_a_name_cannot_lead_to_the_metadata_of_a_cloud_whatever_the_version_of_python(
    address: str,
) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "168.63.129.15"),
        *(
            "172.32.0.0",
            "192.0.1.0",
            "192.31.196.1",
            "192.175.48.1",
            "198.20.0.0",
            "223.255.255.255",
        ),
        *("2000::", "2001:200::1", "2620:4f:8000::1", "3ffe::1", "64:ff9b::8.8.8.8"),
    ],
)
def test_the_neighbours_of_those_addresses_are_public(address: str) -> None:
    assert is_public(address)
