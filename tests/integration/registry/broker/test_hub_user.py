"""A hub's own user of the broker: made and shown once, for its own topics alone, and shut out at once."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.integration.registry.broker.secured import Secured
from tests.integration.registry.broker.whole import ready, whole_service
from tests.integration.registry.identity.town import OPS
from tests.support.outsider import Outsider
from tests.support.servers import Database
from tests.support.stack import RealBroker

pytestmark = pytest.mark.real_stack

ROOT = "telecare/v1"
HUB = f"{ROOT}/hubs/clyde-arc"
HOME = f"{ROOT}/devices/glasgow-city/TC-A"
_AGAIN_AFTER_S: Final = 5.0
_TIMES_MAX: Final = 30  # longer than until an alarm is told again that nobody has answered


async def call(secured: Secured, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """As ops, over the HTTP API."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {OPS}"}) as http,
        http.request(method, f"{secured.url}/api/v1{path}", json=body) as answer,
    ):
        return answer.status, await answer.json() if answer.status != 204 else None


async def hub_user(secured: Secured, hub_id: str = "clyde-arc") -> str:
    """A hub that is told by MQTT, which has its user; the password."""
    body = {"name": hub_id.title(), "channels": [{"kind": "mqtt", "verified": True}]}
    assert (await call(secured, "PUT", f"/hubs/{hub_id}", body))[0] in {200, 201}
    status, made = await call(secured, "POST", f"/hubs/{hub_id}/broker-user")
    assert (status, made["username"], made["client_id"]) == (201, f"hub:{hub_id}", f"hub:{hub_id}")
    await secured.told()
    password: str = made["password"]
    return password


async def test_a_hub_does_at_the_broker_what_a_hub_does_and_nothing_else(secured: Secured) -> None:
    password = await hub_user(secured)
    with secured.service() as us, secured.outside("hub:clyde-arc", password) as hub:
        for heard in ("hubs/+/actions", "devices/+/+/alarm"):
            assert us.may_subscribe(f"{ROOT}/{heard}")
        hub.publish(f"{HUB}/actions", b"mine")
        assert us.heard() == (f"{HUB}/actions", b"mine")
        for lane in ("notifications", "action-results"):
            assert hub.may_subscribe(f"{HUB}/{lane}")
            us.publish(f"{HUB}/{lane}", lane.encode())
            assert hub.heard() == (f"{HUB}/{lane}", lane.encode())
        for pattern in ("#", f"{ROOT}/hubs/+/notifications", f"{ROOT}/hubs/moray-arc/notifications", f"{HOME}/alarm"):
            assert not hub.may_subscribe(pattern), pattern
        for topic in (f"{ROOT}/hubs/moray-arc/actions", f"{HUB}/notifications", f"{HOME}/alarm"):
            with secured.outside("hub:clyde-arc", password) as forger:
                forger.publish(topic, b"forged")
        with secured.outside("hub:clyde-arc", password) as again:
            again.publish(f"{HUB}/actions", b"the next that came through")
        assert us.heard() == (f"{HUB}/actions", b"the next that came through")
    assert not await secured.lets_in("hub:clyde-arc", password, "hub:moray-arc")  # whose session it would end


async def test_a_new_user_of_a_hub_voids_the_one_before_and_a_revoked_one_is_cut_off(secured: Secured) -> None:
    first = await hub_user(secured)
    with secured.outside("hub:clyde-arc", first) as hub:
        _, made = await call(secured, "POST", "/hubs/clyde-arc/broker-user")
        await secured.told()
        assert await asyncio.to_thread(hub.ended)
    assert not await secured.lets_in("hub:clyde-arc", first)
    with secured.outside("hub:clyde-arc", made["password"]) as hub:
        assert hub.let_in
        assert (await call(secured, "DELETE", "/hubs/clyde-arc/broker-user"))[0] == 204
        assert await asyncio.to_thread(hub.ended)
    await secured.unknown("hub:clyde-arc")
    assert (await call(secured, "DELETE", "/hubs/clyde-arc/broker-user"))[0] == 404
    status, problem = await call(secured, "POST", "/hubs/nobodys-arc/broker-user")
    assert (status, problem["detail"]) == (404, "There is no hub nobodys-arc.")


KINDS = {1: "personal_trigger", 2: "smoke"}


def press(seq: int) -> bytes:
    body = {"boot_id": "boot-1", "seq": seq, "sent_at": "2026-11-28T06:00:00Z", "kind": KINDS[seq]}
    return json.dumps(body).encode()


def received(hub: Outsider, seq: int) -> str | None:
    """Answers whatever the hub is told, until it is told of this alarm; the alarm's id. None: nothing came for a while."""
    while (message := hub.heard(_AGAIN_AFTER_S)) is not None:
        told = json.loads(message[1])
        action = {"action_id": f"received-{told['id']}", "action": "received", "notification_id": told["id"]}
        hub.publish(f"{HUB}/actions", json.dumps(action).encode())
        if (
            told["type"] in {"alarm.raised", "alarm.repeated", "alarm.escalated"}
            and told["data"]["event"]["seq"] == seq
        ):
            alarm_id: str = told["data"]["alarm_id"]
            return alarm_id
    return None


def acknowledge(hub: Outsider, alarm_id: str) -> None:
    action = {"action_id": f"ack-{alarm_id}", "action": "acknowledge", "alarm_id": alarm_id, "operator": "Morag"}
    hub.publish(f"{HUB}/actions", json.dumps(action).encode())


def receipted(box: Outsider, seq: int, state: str) -> str | None:
    """The state, once there is a receipt that says so. None: nothing came for a while."""
    while (message := box.heard(_AGAIN_AFTER_S)) is not None:
        receipt = json.loads(message[1])
        if (receipt["seq"], receipt["state"]) == (seq, state):
            return state
    return None


def insist(say: Callable[[], None], answered: Callable[[], str | None]) -> str:
    """Say it again until there is an answer, as devices and hubs do: what comes before our sessions stand is heard by nobody."""
    for _ in range(_TIMES_MAX):
        say()
        answer = answered()
        if answer is not None:
            return answer
    raise AssertionError("never answered")


async def test_from_a_press_to_its_receipt_each_under_its_own_name_and_again_after_the_broker_was_killed(
    database: Database, server: RealBroker, tmp_path: Path
) -> None:
    async with whole_service(database, server, tmp_path) as secured:
        box_password = await secured.provisioned("TC-A")
        hub_password = await hub_user(secured)
        assert (await call(secured, "PUT", "/councils/glasgow-city/routing", {"hubs": ["clyde-arc"]}))[0] == 200
        await ready(secured)
        with (
            secured.outside("TC-A", box_password) as box,
            secured.outside("hub:clyde-arc", hub_password) as hub,
        ):
            await asyncio.to_thread(_one_alarm, box, hub, 1)
            box.publish(f"{HOME}/alarm", press(2))
        server.kill()
        server.start()
        with (
            secured.outside("hub:clyde-arc", hub_password) as hub,
            secured.outside("TC-A", box_password) as box,
        ):
            await asyncio.to_thread(_one_alarm, box, hub, 2)  # it has no receipt, and sends it again, byte for byte
        events = await secured.town.rows("select seq from ingest.device_event where device_id = 'TC-A' order by seq")
        assert [row["seq"] for row in events] == [1, 2]


def _one_alarm(box: Outsider, hub: Outsider, seq: int) -> None:
    """A box presses, a hub takes it, and the box knows that somebody has."""
    assert box.may_subscribe(f"{HOME}/receipt")
    assert hub.may_subscribe(f"{HUB}/notifications")
    alarm_id = insist(lambda: box.publish(f"{HOME}/alarm", press(seq)), lambda: received(hub, seq))
    insist(lambda: acknowledge(hub, alarm_id), lambda: receipted(box, seq, "acknowledged"))
