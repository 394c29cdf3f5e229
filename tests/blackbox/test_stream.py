"""Contract, "HTTP": alarms as they happen, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.blackbox.api import Api
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until


@asynccontextmanager
async def listening(api: Api) -> AsyncIterator[list[dict[str, Any]]]:
    """The alarms that the stream tells of while it is open."""
    told: list[dict[str, Any]] = []
    async with api.session.get(f"{api.url}/api/v1/alarms/stream", headers=api.headers) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")

        async def read() -> None:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    told.append(json.loads(line.removeprefix(b"data:")))  # noqa: PERF401 - the list is read meanwhile

        reading = asyncio.create_task(read())
        yield told
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def states(told: list[dict[str, Any]], device_id: str) -> list[str]:
    alarms = [each.get("alarm", each.get("data", each)) for each in told]
    return [each["state"] for each in alarms if each.get("device_id") == device_id]


async def test_whoever_listens_sees_an_alarm_raised_taken_and_closed(installation: Installation, box: MakeBox) -> None:
    home = await box()
    async with listening(installation.api) as told:
        home.press()
        await until(lambda: "open" in states(told, home.device_id))
        path = f"/api/v1/alarms/{(await installation.alarm(home.device_id))['alarm_id']}"
        await installation.api.post(f"{path}/acknowledge", {"operator": "morag"})
        await until(lambda: "acknowledged" in states(told, home.device_id))
        await installation.api.post(f"{path}/close", {"operator": "morag", "outcome": "attended"})
        await until(lambda: states(told, home.device_id)[-1] == "closed")


async def test_two_listeners_both_hear_and_one_leaving_does_not_deafen_the_other(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    async with listening(installation.api) as stays:
        async with listening(installation.api) as leaves:
            home.press("fall")
            await until(lambda: states(stays, home.device_id) and states(leaves, home.device_id))
        home.press("smoke")
        await until(
            lambda: any(each.get("kind") == "smoke" for each in stays if each.get("device_id") == home.device_id)
        )


async def test_nobody_listens_without_a_token(api: Api) -> None:
    assert (await api.by(None).get("/api/v1/alarms/stream")).status == 401
