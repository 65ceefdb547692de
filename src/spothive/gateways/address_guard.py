"""Which addresses belong to the public internet: no webhook reaches into the own network."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
_SPECIAL: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network, and "unspecified"
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind a carrier's NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, with the metadata of cloud machines
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which wraps any IPv4 address
        "3fff::/20",  # documentation
    )
)
"""What IANA's registries of special-purpose addresses keep out of the public internet."""

_OF_CLOUDS: Final = (
    # Azure's host answers its virtual machines here, from any region: DNS, agents, health, and configuration with
    # certificates. https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    ip_network("168.63.129.16/32"),
)
"""Addresses that are public by the registries, and lead inside on the machines of a cloud.

Those of other clouds lie in what is refused anyway: 169.254.169.254 of most, fd00:ec2::254 of AWS, fd20:ce::254 of
Google, 100.100.100.200 of Alibaba, 192.0.0.192 of Oracle.
"""

_GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All that is given out of IPv6. Loopback, unique-local, link-local, mapped and compatible addresses lie outside."""

_NAT64: Final = ip_network("64:ff9b::/96")
"""Where a network without IPv4 reaches it: the last 32 bits are the address that is meant."""


def plain(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 one stands for where the system takes it for that, else the same."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_public(address: IPAddress) -> bool:
    """Tell whether an address belongs to the public internet."""
    address = plain(address)
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return not any(address in network for network in (*_SPECIAL, *_OF_CLOUDS))


def is_within(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    """Tell whether an address lies in one of ``networks``."""
    return any(plain(address) in network for network in networks)
