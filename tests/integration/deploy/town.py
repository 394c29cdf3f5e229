"""The whole service in one process, with a hub, and homes that rely on it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.blackbox.box import Box
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import COUNCIL, Installation, empty_database, new_id, settings_for
from tests.support.servers import Broker, DatabaseServer


@asynccontextmanager
async def installed(
    server: DatabaseServer, broker: Broker, directory: Path, *, but: Collection[str] = (), **more_settings: str
) -> AsyncIterator[Installation]:
    """`telecare up`, ready; afterwards stopped cleanly, and seen to have logged no mistake of ours (`but`: known ones)."""
    receiver = Receiver()
    await receiver.start()
    try:
        async with empty_database(server) as url, aiohttp.ClientSession() as http:
            settings = settings_for(url, broker.url, directory) | more_settings
            installation = Installation(settings, broker, receiver, http)
            try:
                await installation.start()
                yield installation
                await installation.stop()
            finally:
                installation.kill()
        installation.assert_untroubled(but=but)
    finally:
        await receiver.stop()


@asynccontextmanager
async def homes(installation: Installation, count: int, council: str = COUNCIL) -> AsyncIterator[list[Box]]:
    """Registered, connected devices; afterwards gone, with their alarms closed."""
    made = [Box(installation.broker, new_id(), council) for _ in range(count)]
    try:
        for home in made:
            await installation.register(home.device_id, council)
            await home.connect()
        yield made
        for home in made:
            await installation.close_alarms(home.device_id)
    finally:
        for home in made:
            home.close()


async def go_live(installation: Installation, home: Box) -> None:
    """On the word of ops."""
    answer = await installation.api.post(f"/api/v1/devices/{home.device_id}/go-live", {"reason": "migrated"})
    assert answer.status == 200, answer
