"""Devices that live through weeks: moved as people move them, heard as ingest hears them, counted as the loops count."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.registry.running import Registry

MONDAY = datetime(2026, 9, 7, 9, 0, tzinfo=UTC)


async def count(registry: Registry) -> None:
    """What the loops do, until nothing is left to do."""
    loops = {loop.name: loop for loop in registry.service.loops}
    while await loops["rollout-counting"].run_once():
        pass
    registry.clock.advance(30)  # what stands beside is not counted twice at once
    await loops["rollout-beside"].run_once()


async def live(registry: Registry, device_id: str, council: str = "fife", *, heard: bool = True) -> None:
    """Registered and put live on the word of ops; and heard, unless told otherwise."""
    await registry.register(device_id, council)
    await move(registry, device_id, "go-live")
    if heard:
        await hear(registry, device_id)


async def move(registry: Registry, device_id: str, name: str, **body: Any) -> None:
    answer = await registry.ops.post(f"/api/v1/devices/{device_id}/{name}", {"reason": "for this test"} | body)
    assert answer.status == 200, answer


async def hear(registry: Registry, device_id: str, *, ago: timedelta = timedelta()) -> None:
    """As ingest keeps it."""
    await registry.execute(
        "insert into ingest.liveness (device_id, council_id, last_heard_at) values ($1, 'fife', $2) "
        "on conflict (device_id) do update set last_heard_at = excluded.last_heard_at",
        *(device_id, registry.clock.now() - ago),
    )


async def rollout(registry: Registry) -> dict[str, Any]:
    """As the API tells it, everything counted."""
    await count(registry)
    answer = await registry.ops.get("/api/v1/rollout")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    assert (body["not_counted_yet"], body["unexplained"]) == (0, 0)
    return body


async def council(registry: Registry, council_id: str = "fife") -> dict[str, Any]:
    (found,) = [each for each in (await rollout(registry))["councils"] if each["council_id"] == council_id]
    council: dict[str, Any] = found
    return council


async def weeks(registry: Registry, **query: Any) -> list[dict[str, Any]]:
    """The history, the oldest first."""
    await count(registry)
    answer = await registry.ops.get("/api/v1/rollout/history", **query)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items[::-1]
