"""Which webhooks a hub may have: where they may point, and what signs them (Standard Webhooks)."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

URL_LENGTH_MAX: Final = 2048
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - every secret starts so
# Standard Webhooks advises 24 to 64 bytes; 128 bits are what no one guesses, and some senders' tools make no more.
SECRET_BYTES_MIN: Final = 16
SECRET_BYTES_MAX: Final = 64

_LOOPBACK_NAMES: Final = ("localhost", "ip6-localhost")


def url_fault(url: str, allowed: Sequence[Network]) -> str | None:
    """What is wrong with a webhook's URL, or None.

    HTTPS anywhere public; HTTP, and any address that is not public, only inside `allowed` (TELECARE_WEBHOOK_ALLOW_CIDRS).
    A name is looked at again when it is connected to: what it means may change.
    """
    if len(url) > URL_LENGTH_MAX or not url.isprintable() or " " in url:
        return f"not a URL: at most {URL_LENGTH_MAX:,} printable characters, without spaces"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # `port` raises for what is none
    except ValueError:
        return "not a URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "a webhook is an https:// URL with a host"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user or password is not taken: notifications are signed with the channel's secret"
    return _target_fault(parts.scheme, host, allowed)


def origin(url: str) -> str:
    """As much of a webhook's URL as anybody may see: its path and query may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _target_fault(scheme: str, host: str, allowed: Sequence[Network]) -> str | None:
    address = _address(host)
    inside = address is not None and any(address in network for network in allowed)
    if address is not None and not address.is_global and not inside:
        return f"{host} is no public address; TELECARE_WEBHOOK_ALLOW_CIDRS lists the private networks that webhooks may reach"
    if scheme == "http" and not inside:
        return "http:// is taken only for an address listed in TELECARE_WEBHOOK_ALLOW_CIDRS; use https://"
    return None


def secret_fault(secret: str) -> str | None:
    """What is wrong with a signing secret, or None. The secret is not repeated."""
    if not secret.startswith(SECRET_PREFIX):
        return f"a secret starts with {SECRET_PREFIX}"
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return f"after {SECRET_PREFIX} a secret is base64"
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        return f"a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, in base64"
    return None


def _address(host: str) -> _Address | None:
    if host in _LOOPBACK_NAMES:
        return ipaddress.ip_address("127.0.0.1")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
