"""How many may be here at a time, in all and of one kind: a stranger cannot take everybody's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address


class Full(Exception):
    """There is no place left."""


@dataclass(slots=True)
class Places:
    total: int
    each: int
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one(self, whose: str) -> Iterator[None]:
        """A place while the block lasts. Raises Full."""
        if self._taken.total() >= self.total or self._taken[whose] >= self.each:
            raise Full
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]


def neighbourhood(peer: object) -> str:
    """Of an address, as much as one subscriber has: of IPv6 the first 64 bits."""
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped) if address.ipv4_mapped else str(int(address) >> 64)
    return str(address)
