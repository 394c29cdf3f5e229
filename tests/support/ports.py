"""Ports for the servers of tests.

A test's server is stopped and started on its port while others still try to reach it there. Were that port given to another
server meanwhile, they would reach that: a hub of one test heard what was meant for another's. So each worker has ports of its
own, which the service chooses none of (services/chassis/embedded/ports.py), and gives out each of them once.
"""

import os
import random
from typing import Final

from services.chassis.embedded.ports import LAST, is_free

_FIRST: Final = LAST + 1
_OF_EACH: Final = 2_000
_WORKERS: Final = 4  # as the Makefile has it; more of them share
_SYSTEMS: Final = 32_768  # from here on Linux gives ports to outgoing connections

_given: set[int] = set()


def free_port() -> int:
    """A port on loopback that nothing listens on, and that no test of this run was given before."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    first = _FIRST + int(worker.removeprefix("gw")) % _WORKERS * _OF_EACH
    ports = range(first, min(first + _OF_EACH, _SYSTEMS))
    for port in random.sample(ports, len(ports)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"every port from {ports.start} to {ports.stop - 1} is taken, or was given out before")
