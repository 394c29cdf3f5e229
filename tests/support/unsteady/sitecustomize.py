"""Makes some of the service's statements slow, the same ones whenever the seed is the same: `make test-unsteady SEED=7`.

A test that passes because the service is always a little sooner than the test passes only by luck, and fails one day on somebody
else's machine. Here a statement of that service, by where in our code it is run, waits in one test for half a second, and for
nothing in the next; so the order of what happens at once is another in each test, and can be had again. What fails has two
causes: a test that looks before what it looks at is there, and a product that minds the order of what it cannot order.

Python itself imports this module in each process whose `PYTHONPATH` names its directory: the tests, and the programs they start.
"""

import asyncio
import hashlib
import os
import sys
from contextlib import suppress
from typing import Any, Final

SEED: Final = os.environ.get("UNSTEADY_SEED", "")
OURS: Final = "/services/"
"""Whose statements: those of `services/`, and no test's own."""
WAITS_S: Final = ((0.72, 0.0), (0.85, 0.03), (0.95, 0.15), (1.0, 0.5))
"""Up to which share of the places, how long. So much that a test notices; a few promises of seconds are broken by it, too."""


def wait_s(query: str) -> float:
    """For how long this statement waits, in the test that runs and from where it is asked for."""
    place = _place()
    if place is None:
        return 0.0
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    digest = hashlib.blake2b(f"{SEED} {test} {place} {query[:60]}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return next(wait for up_to, wait in WAITS_S if share <= up_to)


def _place() -> str | None:
    """The function of ours that asks for it: file and name."""
    frame = sys._getframe().f_back
    while frame is not None:
        _, found, inside = frame.f_code.co_filename.partition(OURS)
        if found and not inside.startswith("chassis/postgres/"):
            return f"{inside}:{frame.f_code.co_name}"
        frame = frame.f_back
    return None


def slow_down(connection: Any) -> None:
    """Have asyncpg's class of connections wait before each statement, and before each commit."""
    prepared, simple = connection._do_execute, connection.execute

    async def do_execute(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        await _wait(self, query)
        return await prepared(self, query, *arguments, **options)

    async def execute(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        if not arguments:  # the others come by `_do_execute`
            await _wait(self, query)
        return await simple(self, query, *arguments, **options)

    connection._do_execute, connection.execute = do_execute, execute


async def _wait(connection: Any, query: str) -> None:
    settings = connection._params.server_settings or {}
    if str(settings.get("application_name", "")).startswith("telecare "):  # of services/chassis/postgres
        await asyncio.sleep(wait_s(str(query)))


if SEED:
    with suppress(ImportError):  # a Python without it is none of ours
        from asyncpg.connection import Connection

        slow_down(Connection)
