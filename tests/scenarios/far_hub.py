"""Two hubs in a process of their own, so that no test's event loop stands between an alarm and them.

`/well` answers at once, `/hung` never. It prints its port, and then one line of JSON for each notification that `/well` has.
"""

import asyncio
import json
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Heard:
    """A notification that has arrived; `at` in Unix seconds."""

    at: float
    device_id: str
    priority: int
    type: str


@dataclass
class FarHubs:
    """As the test sees them."""

    port: int
    heard: list[Heard]

    def channel(self, hub: str) -> dict[str, object]:
        """The channel to register for one of them."""
        secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
        return {"kind": "webhook", "url": f"http://{_HOST}:{self.port}/{hub}", "secret": secret, "verified": True}


@asynccontextmanager
async def far_hubs() -> AsyncIterator[FarHubs]:
    """Both are there until the block ends."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    hubs = FarHubs(int(await process.stdout.readline()), [])
    listening = asyncio.create_task(_listen(process.stdout, hubs.heard))
    try:
        yield hubs
        assert not listening.done(), "the far hubs have ended"
    finally:
        listening.cancel()
        process.kill()
        await process.wait()


async def _listen(lines: asyncio.StreamReader, heard: list[Heard]) -> None:
    while line := await lines.readline():
        heard.append(Heard(**json.loads(line)))


async def _hung(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.Event().wait()
    raise AssertionError


async def _well(request: web.Request) -> web.Response:
    notification = await request.json()
    data = notification["data"]
    if "device_id" in data:
        told = {name: data[name] for name in ("device_id", "priority")} | {
            "at": time.time(),
            "type": notification["type"],
        }
        print(json.dumps(told), flush=True)
    return web.Response(status=204)


async def _main() -> None:
    app = web.Application()
    app.router.add_post("/well", _well)
    app.router.add_post("/hung", _hung)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, _HOST, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
