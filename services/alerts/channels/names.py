"""From names to addresses, so that a name whose look-up hangs holds up no other, and one that was found is not lost.

uvloop looks names up in libuv's pool, which gives them two threads at a time. *Measured*: while two names hung, a third one waited
for 9.8 s, longer than an alarm is tried for; here, while fifty hung, for less than 0.01 s. Each name has a thread of its own, and
whoever asks for it meanwhile waits for the same answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

PATIENCE_S: Final = 2.0
"""How long a look-up may take before the addresses are used that the name had before."""
_KNOWN_MAX: Final = 1024

_Key: TypeAlias = tuple[str, int, int]
Lookup: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]
"""As `socket.getaddrinfo`."""


class Names(AbstractResolver):
    """Looks names up, and remembers what they last were: a name server that is away must not silence a hub that is not."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo, *, patience_s: float = PATIENCE_S) -> None:
        self._lookup = lookup
        self._patience_s = patience_s
        self._under_way: dict[_Key, asyncio.Future[list[ResolveResult]]] = {}
        self._known: OrderedDict[_Key, list[ResolveResult]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of `host`. OSError when it has none, and never had; waits for ever, if nobody has the answer."""
        key = (host, port, int(family))
        known = self._known.get(key)
        try:
            async with asyncio.timeout(self._patience_s if known else None):
                return await asyncio.shield(self._under_way.get(key) or self._begin(key))
        except OSError:  # a time-out is one, too
            if known is None:
                raise
            return known

    async def connect(self, host: str, port: int, *, each_s: float) -> socket.socket:
        """A connection to the first address that takes one within `each_s`. OSError when none does."""
        failure: OSError = OSError("no address")
        for found in await self.resolve(host, port):
            try:
                async with asyncio.timeout(each_s):
                    return await _connected(found)
            except OSError as error:
                failure = error
        raise failure

    async def close(self) -> None:
        """Nothing to close: a look-up under way ends by itself, and its thread keeps no process from ending."""

    def _begin(self, key: _Key) -> asyncio.Future[list[ResolveResult]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()
        answer.add_done_callback(lambda done: self._ended(key, done))
        self._under_way[key] = answer

        def look_up() -> None:
            try:
                tell = partial(answer.set_result, self._found(key))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for it are told
                tell = partial(answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(lambda: None if answer.done() else tell())

        threading.Thread(target=look_up, name=f"look-up-{key[0]}", daemon=True).start()
        return answer

    def _found(self, key: _Key) -> list[ResolveResult]:
        host, port, family = key
        try:
            rows = self._lookup(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        except UnicodeError:  # what no name server is asked: an empty label, or one that is too long
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=row_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for row_family, _, protocol, _, address in rows
        ]

    def _ended(self, key: _Key, answer: asyncio.Future[list[ResolveResult]]) -> None:
        del self._under_way[key]
        if answer.cancelled() or answer.exception() is not None or not answer.result():
            return
        self._known[key] = answer.result()
        self._known.move_to_end(key)
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


async def _connected(found: ResolveResult) -> socket.socket:
    connection = socket.socket(found["family"], socket.SOCK_STREAM, found["proto"])
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (found["host"], found["port"]))
    except BaseException:
        connection.close()
        raise
    return connection
