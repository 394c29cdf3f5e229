"""nginx of the real stack, with the files that `deploy/` ships; and servers in the place of ours."""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.chassis.embedded.ports import LOOPBACK, answers
from services.chassis.embedded.process import GuardedProcess
from tests.support.ports import free_port
from tests.support.stack import DEPLOY, STACK

_USER: Final = "nobody"  # unprivileged, as a worker is
_READY_TIMEOUT_S: Final = 60.0
_MAIN: Final = """pid {home}/pid;
daemon off;
error_log {home}/error.log;
events {{}}
http {{
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxied;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  include conf.d/telecare.conf;
}}
"""


@dataclass(slots=True)
class Upstream:
    """A process of ours as nginx sees it: it answers, or says nothing; of a stream, it says the second line when told."""

    port: int = field(default_factory=free_port)
    hung: bool = False
    asked: list[str] = field(default_factory=list)
    """The first lines of the requests, in their order."""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        try:
            yield
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer(reader, writer))
        self._serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await task
        self._serving.discard(task)
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")[0]
        self.asked.append(line)
        if self.hung:
            await reader.read()  # until nginx has had enough
        elif "stream" in line:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nfirst\n")
            await self.goes_on.wait()
            writer.write(b"second\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()
        await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Nginx:
    urls: Mapping[str, str]
    """By who asks: everybody (by TLS), and the command line (in clear)."""
    log: Path


@asynccontextmanager
async def nginx(upstreams: Mapping[int, int], certificate: Path, hurry: Mapping[str, str]) -> AsyncIterator[Nginx]:
    """The shipped files of a Debian host. `upstreams`: by the port of ours, where to go instead.

    `certificate`: server.crt, with its key beside it; `hurry`: what a test can't wait for, and what is written instead.
    """
    home = STACK.temporary_directory("telecare-nginx-", _USER)
    ports = {"80": free_port(), "443": free_port(), "127.0.0.1:8079": free_port()}

    def put(source: Path, name: str) -> None:
        text = source.read_text()
        for listened, port in ports.items():
            text = re.sub(rf"listen {re.escape(listened)}\b", f"listen {LOOPBACK}:{port}", text)
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
        for ours, port in upstreams.items():
            text = text.replace(f"server {LOOPBACK}:{ours} ", f"server {LOOPBACK}:{port} ")
        for told, shorter in hurry.items():
            text = text.replace(told, shorter)
        text = text.replace("/var/log/nginx/", f"{STACK.inside(home)}/")
        (home / name).write_text(text)

    (home / "conf.d").mkdir()
    (home / "telecare").mkdir()
    put(DEPLOY / "proxy" / "telecare.conf", "conf.d/telecare.conf")
    put(DEPLOY / "debian" / "upstreams.conf", "telecare/upstreams.conf")
    put(DEPLOY / "debian" / "grafana.conf", "telecare/grafana.conf")
    for file in (certificate, certificate.with_suffix(".key")):
        shutil.copy(file, home / "telecare" / file.name)
        (home / "telecare" / file.name).chmod(0o644)
    inside = STACK.inside(home)
    (home / "nginx.conf").write_text(_MAIN.format(home=inside))
    server = GuardedProcess(
        STACK.argv(_USER, "/usr/sbin/nginx", "-e", "stderr", "-c", f"{inside}/nginx.conf"),
        log=home / "output.log",
        stop_signals=(signal.SIGTERM,),
        remove=[home],
    )
    try:
        server.wait_until_ready(lambda: all(map(answers, ports.values())), _READY_TIMEOUT_S)
        urls = {
            "everybody": f"https://{LOOPBACK}:{ports['443']}",
            "the command line": f"http://{LOOPBACK}:{ports['127.0.0.1:8079']}",
        }
        yield Nginx(urls, home / "error.log")
    finally:
        server.stop()
