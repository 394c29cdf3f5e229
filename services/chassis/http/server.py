"""uvicorn inside our event loop: it binds where told, takes no signals, writes no access log, and stops when asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI

# How long requests in progress (an event stream never ends by itself) are waited for.
STOP_TIMEOUT_S = 2
_BACKLOG = 256
# A client that sends on a connection which we have just given up gets no answer, and may not send a POST again by itself: so it is
# the client who gives up first. nginx does after 60 s, browsers and what hubs' programs are written with mostly sooner.
_KEPT_S = 75

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
]


class HttpServer:
    """A server that answers; from `serve`."""

    def __init__(self, server: _Server, task: asyncio.Task[None], address: tuple[str, int]) -> None:
        self._server = server
        self._task = task
        self._scheme = "https" if server.config.is_ssl else "http"
        self.host, self.port = address

    @property
    def url(self) -> str:
        """`http://127.0.0.1:8080`."""
        return f"{self._scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def wait(self) -> None:
        """Return when it was stopped; raise what else ended it."""
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Take no more connections, let requests in progress end (2 s at most), and free the port."""
        self._server.should_exit = True
        await self._task


async def serve(
    app: FastAPI, host: str, port: int, trusted_proxies: Sequence[str] = (), tls: ssl.SSLContext | None = None
) -> HttpServer:
    """Serve `app`, by HTTPS with `tls`, and return once it answers. Port 0 takes any free one.

    Of `trusted_proxies` (addresses and networks) it is believed for whom they ask, and that it was by https; of nobody else.

    Raises OSError (errno EADDRINUSE when the port is taken) with the address in its message.
    """
    listener = await _bind(host, port)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=",".join(trusted_proxies),
        headers=_HEADERS,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        timeout_keep_alive=_KEPT_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    started = asyncio.create_task(server.answering.wait())
    try:
        await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        listener.close()
        raise
    finally:
        started.cancel()
    if task.done():
        task.result()
    return HttpServer(server, task, listener.getsockname()[:2])


async def _bind(host: str, port: int) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    try:
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {reason}") from None
    # Connections inherit it. asyncio's own loop, unlike uvloop, sets it on sockets only whose protocol is named: without it the
    # body of every answer waited 44 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the business of the process, which stops more than this server
