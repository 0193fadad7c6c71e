"""This machine's names and addresses: those that other devices reach it by, and those that its certificate is for.

Asks nothing of the network: no packet is sent, no name looked up but the one to listen on. Called by what makes
the certificate and by what announces the server.
"""

from __future__ import annotations

import re
import socket
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

FAR_AWAY: tuple[tuple[socket.AddressFamily, str], ...] = (
    (socket.AF_INET, "198.51.100.1"),
    (socket.AF_INET6, "2001:db8::1"),
)
"""In networks for documentation, hence behind the default route everywhere."""
INWARD = re.compile(r"(docker|br-[0-9a-f]{12}|veth|virbr|vmnet|vboxnet|cni|podman|lxc|lxd|vEthernet \((WSL|Default))")
"""Interfaces that lead to containers and virtual machines inside this one, and come and go with them."""
NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def machine_names() -> list[str]:
    """The host name, in full if it is known so, then short, then as multicast DNS has it; for a certificate to hold."""
    full = as_dns_name(socket.gethostname())
    if full is None or full == "localhost":
        return []
    short = full.partition(".")[0]
    return list(dict.fromkeys([full, short, f"{short}.local"]))


def as_dns_name(name: str) -> str | None:
    """Lower case and ASCII; None if it can be no name in DNS."""
    try:
        found = name.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    return found if NAME.fullmatch(found) else None


def canonical(host: str) -> str:
    """As a certificate has it: an address in its shortest form and without an interface, a name as DNS has it."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return as_dns_name(host) or host


def network_addresses() -> list[Address]:
    """Those that other devices can use, the likeliest first; not link-local ones, which need an interface too."""
    import psutil  # type: ignore[import-untyped]

    interfaces, up = psutil.net_if_addrs(), psutil.net_if_stats()
    found = [
        ip_address(one.address.partition("%")[0])
        for name, addresses in interfaces.items()
        if name in up and up[name].isup and not INWARD.match(name)
        for one in addresses
        if one.family in (socket.AF_INET, socket.AF_INET6)
    ]
    usable = [address for address in found if not (address.is_loopback or address.is_link_local)]
    routed = [address for family, far in FAR_AWAY if (address := _source(family, far)) in usable]
    return list(dict.fromkeys([*routed, *sorted(usable, key=lambda address: address.version)]))


def reachable_hosts(host: str) -> list[str]:
    """What other devices can put into an address to reach a server that listens on ``host``; nothing if they cannot."""
    address = _resolved(host)
    if address is None or address.is_loopback:
        return []
    if not address.is_unspecified:
        return [host]
    versions = {4, 6} if address.version == 6 and sys.platform != "win32" else {address.version}
    return [str(found) for found in network_addresses() if found.version in versions]


def url(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def _resolved(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return ip_address(socket.gethostbyname(host))
    except (OSError, UnicodeError):
        return None


def _source(family: socket.AddressFamily, far: str) -> Address | None:
    """Connecting a datagram socket only picks the route."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            return ip_address(probe.getsockname()[0])
    except OSError:
        return None
