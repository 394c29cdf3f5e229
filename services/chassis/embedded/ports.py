"""Loopback ports for servers that come and go."""

import random
import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"

# Below what Linux (32768…) and macOS (49152…) give to outgoing connections. On a port from there, a client that retries
# while its server is down sooner or later gets that very port as its own and connects to itself.
# Those after it are the tests' own (tests/support/ports.py).
_FIRST, LAST = 15_000, 22_999
_ATTEMPTS = 200


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, LAST)  # noqa: S311 - to stay out of each other's way, not to be secret
        if is_free(port):
            return port
    raise OSError(f"no free port found between {_FIRST} and {LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do, to pass over TIME_WAIT
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class PortClaim:
    """A TCP port that no other process of ours chooses, until the claim is released or its holder ends."""

    port: int
    _mark: socket.socket

    def release(self) -> None:
        """Let others choose it. Safe to call twice."""
        self._mark.close()


def claim_port(wanted: int | None) -> PortClaim:
    """Claim the port that is wished for, or another one where that is taken.

    A port that is free when it is chosen need not be so when its server has started: two demos begun at once chose the same,
    one broker could not listen, and both talked to the other. The mark is the UDP port of the same number, which none of
    our servers uses: only one can have it, it needs no file, and it is given back however its holder ends.
    """
    port = wanted if wanted is not None and is_free(wanted) else free_port()
    for _ in range(_ATTEMPTS):
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind((LOOPBACK, port))
        except OSError:
            mark.close()
        else:
            return PortClaim(port, mark)
        port = free_port()
    raise OSError(f"no port could be claimed between {_FIRST} and {LAST}")


def answers(port: int) -> bool:
    """Whether something accepts connections on this port of loopback."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
