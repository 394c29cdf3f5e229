import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.chassis.embedded.ports import claim_port
from services.simulator.desk import HubConfig
from services.simulator.hub import HttpActions, Manners, SimulatedHub
from tests.support.servers import until

AT_ONCE = HubConfig(reaction_s=(0.0, 0.0), handling_s=0.0, seed=1)


def notification(id_: str = "n1", **data: Any) -> bytes:
    defaults = {"alarm_id": "a1", "priority": 1, "state": "open", "test": False}
    body = {"id": id_, "type": "alarm.raised", "timestamp": "2026-11-21T09:00:00Z", "data": defaults | data}
    return json.dumps(body).encode()


async def deliver(hub: SimulatedHub, body: bytes, *, secret: str | None = None, webhook_id: str = "n1") -> int:
    """Send it as our dispatcher does; returns the answer's status."""
    now = datetime.now(UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret or hub.secret).sign(webhook_id, now, body.decode()),
    }
    async with aiohttp.ClientSession() as http, http.post(hub.url, data=body, headers=headers) as response:
        return response.status


async def test_a_signed_notification_is_entered_once_however_often_it_is_sent() -> None:
    async with SimulatedHub() as hub:
        assert await deliver(hub, notification()) == 204
        assert await deliver(hub, notification()) == 204
        (entry,) = hub.logbook
        assert (entry.alarm_id, entry.type, entry.deliveries) == ("a1", "alarm.raised", 2)
        assert hub.logbook.broken_promises == []


async def test_what_is_not_signed_with_the_secret_is_refused() -> None:
    async with SimulatedHub() as hub, SimulatedHub() as other:
        assert await deliver(hub, notification(), secret=other.secret) == 401
        async with aiohttp.ClientSession() as http:
            for headers in ({}, {"webhook-id": "n", "webhook-timestamp": "now", "webhook-signature": "v1"}):
                async with http.post(hub.url, data=notification(), headers=headers) as response:
                    assert response.status == 401
        assert hub.refused == 3
        assert len(hub.logbook) == 0


async def test_what_is_no_notification_is_refused_though_signed() -> None:
    async with SimulatedHub() as hub:
        assert await deliver(hub, b"[]") == 422
        assert len(hub.logbook) == 0


async def test_a_hub_with_bad_manners_answers_500() -> None:
    async with SimulatedHub(manners=Manners(fail_share=1.0)) as hub:
        assert await deliver(hub, notification()) == 500
        hub.manners = Manners()
        assert await deliver(hub, notification()) == 204


async def test_a_hub_may_answer_another_status_or_reset_the_connection_and_then_has_nothing() -> None:
    async with SimulatedHub(manners=Manners(fail_share=1.0, fail_status=503)) as hub:
        assert await deliver(hub, notification()) == 503
        hub.manners = Manners(reset_share=1.0)
        with pytest.raises(aiohttp.ClientConnectionError):
            await deliver(hub, notification())
        assert len(hub.logbook) == 0
        hub.manners = Manners()
        assert await deliver(hub, notification()) == 204


async def test_a_hub_that_hangs_answers_late_and_does_not_keep_us_from_closing_it() -> None:
    async with SimulatedHub(manners=Manners(hang_share=1.0, hang_s=0.05)) as hub:
        assert await deliver(hub, notification()) == 204
        hub.manners = Manners(hang_share=1.0, hang_s=600)
        hanging = asyncio.create_task(deliver(hub, notification("n2"), webhook_id="n2"))
        await until(lambda: hub.hanging == 1)
        await hub.go_down()
        assert await hanging == 204
        assert hub.hanging == 0


async def test_a_hub_that_is_down_refuses_connections_and_comes_back_on_its_port() -> None:
    async with SimulatedHub() as hub:
        await hub.go_down()
        with pytest.raises(aiohttp.ClientConnectorError):
            await deliver(hub, notification())
        await hub.go_up()
        assert await deliver(hub, notification()) == 204


class Api:
    """The far end of a hub's actions: an HTTP server that answers as told and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any], str]] = []
        self.statuses: list[int] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.method, request.path, body, request.headers.get("Authorization", "")))
        return web.json_response({"detail": "as told"}, status=self.statuses.pop(0) if self.statuses else 200)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()


async def test_operators_acknowledge_and_close_over_the_api() -> None:
    async with Api() as api, SimulatedHub(AT_ONCE) as hub, HttpActions(api.url, "secret-token") as actions:
        await deliver(hub, notification())
        desk = hub.staff(actions)  # they come in after it was told
        await until(lambda: desk.closed == ["a1"])
    (_, acknowledge, first, token), (_, close, second, _) = api.asked
    assert acknowledge == "/api/v1/alarms/a1/acknowledge"
    assert close == "/api/v1/alarms/a1/close"
    assert first == {"operator": second["operator"]}
    assert second["outcome"] in AT_ONCE.outcomes
    assert token == "Bearer secret-token"


async def test_every_answer_of_the_api_is_understood() -> None:
    async with Api() as api, HttpActions(api.url, "token") as actions:
        api.statuses = [200, 409, 403, 404, 422, 429, 500, 503]
        answers = [await actions.acknowledge("a1", "Isla") for _ in range(8)]
    assert answers == [
        "done",
        "settled_already",
        "refused",
        "refused",
        "refused",
        "unavailable",
        "unavailable",
        "unavailable",
    ]
    async with HttpActions(api.url, "token") as actions:
        assert await actions.acknowledge("a1", "Isla") == "unavailable"


async def test_a_hub_that_is_stopped_while_it_starts_keeps_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, starting = SimulatedHub(), asyncio.Event()
    port = 0

    async def start(_site: web.TCPSite) -> None:
        nonlocal port
        port = int(hub.url.rsplit(":", 1)[1].partition("/")[0])
        starting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(web.TCPSite, "start", start)
    begun = asyncio.ensure_future(hub.__aenter__())
    await starting.wait()
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    again = claim_port(port)
    assert again.port == port
    again.release()
