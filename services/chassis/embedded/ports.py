"""Loopback ports for servers that come and go."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below what Linux (32768…) and macOS (49152…) give to outgoing connections. On a port from there, a client that retries
# while its server is down sooner or later gets that very port as its own and connects to itself.
_FIRST, _LAST = 15_000, 31_000
_ATTEMPTS = 200


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - to stay out of each other's way, not to be secret
        if is_free(port):
            return port
    raise OSError(f"no free port found between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do, to pass over TIME_WAIT
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def wanted_or_free(port: int | None) -> int:
    """The port that is wished for, or another one where that is taken."""
    return port if port is not None and is_free(port) else free_port()


def answers(port: int) -> bool:
    """Whether something accepts connections on this port of loopback."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
