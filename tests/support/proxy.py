"""A TCP proxy that cuts one process off from its broker or its database, and lets it back in."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from services.chassis.embedded.ports import LOOPBACK
from tests.support.ports import free_port

_CHUNK_BYTES = 65_536


class TcpProxy:
    """Stands in front of the server that `target_url` names; clients connect to `url` instead."""

    def __init__(self, target_url: str) -> None:
        parts = urlsplit(target_url)
        self.aim(target_url)
        self.host, self.port = LOOPBACK, free_port()
        login = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(
            parts._replace(netloc=f"{login}@{LOOPBACK}:{self.port}" if login else f"{LOOPBACK}:{self.port}")
        )
        self.delay_s = 0.0
        self.accepted = 0  # connections so far
        self.down_bytes = 0  # to clients, so far
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def aim(self, target_url: str) -> None:
        """New connections go there: a server that was started again has another port."""
        parts = urlsplit(target_url)
        if parts.hostname is None or parts.port is None:
            raise ValueError("the target's URL needs a host and a port")
        self._target = (parts.hostname, parts.port)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)

    def cut(self) -> None:
        """Reset every connection, and every new one at once, until `restore`."""
        self._refusing = True
        self._abort_all()

    def blackhole(self) -> None:
        """Keep connections open and accept new ones, but forward nothing in either direction, until `restore`.

        What was sent meanwhile arrives then, as after a network partition that TCP outlived.
        """
        self._flowing.clear()

    def delay(self, delay_s: float) -> None:
        """Hold back every chunk for that long, in either direction."""
        self.delay_s = delay_s

    def restore(self) -> None:
        """Undo whatever was done."""
        self._refusing = False
        self.delay_s = 0.0
        self._flowing.set()

    async def stop(self) -> None:
        """Close the port and every connection."""
        # Whoever was let in at this instant: the server waits until it is gone, and it need not go.
        self._refusing = True
        if self._server is not None:
            self._server.close()
        self._abort_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._refusing:
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a connection that ends is what this is for; and nobody awaits this task but `stop`
        finally:
            self._abort(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers.add(upstream_writer)
        try:
            pumps = [
                asyncio.ensure_future(self._pump(reader, upstream_writer, down=False)),
                asyncio.ensure_future(self._pump(upstream_reader, writer, down=True)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self._abort(upstream_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                self.down_bytes += len(chunk) if down else 0
                await self._hold_back()
                writer.write(chunk)
                await writer.drain()
            await self._hold_back()
            writer.close()
            await writer.wait_closed()

    async def _hold_back(self) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._flowing.wait()

    def _abort_all(self) -> None:
        for writer in list(self._writers):
            self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self._writers.discard(writer)
