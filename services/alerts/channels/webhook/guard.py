"""Which addresses a webhook may reach: judged on the address that is connected to, whatever its name resolved to before."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


class AddressForbidden(OSError):
    """The address is private, or of another kind that no public webhook has, and the installation does not allow it."""

    def __init__(self) -> None:
        # One text for all addresses: several of them for one name are then told as one error.
        super().__init__("address not allowed")


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a webhook may go to this address: a public one, or one in `allowed` (TELECARE_WEBHOOK_ALLOW_CIDRS)."""
    inner = _unwrapped(ip_address(address.partition("%")[0]))
    if any(inner in network for network in allowed):
        return True
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or inner.is_unspecified)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one that only stands for it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


class GuardedSockets:
    """Makes the sockets of outgoing connections: none for an address that is not allowed."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)

    def __call__(self, address_info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Called by aiohttp right before it connects to exactly this address. Raises AddressForbidden."""
        family, kind, protocol, _, address = address_info
        if not is_allowed(str(address[0]), self._allowed):
            raise AddressForbidden
        return socket.socket(family, kind, protocol)
