"""Contract, "heartbeat" and "status": signs of life, and hints."""

import json

import pytest

from tests.blackbox.box import PRIVATE, Box, now
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until


class Counted:
    """What became of the messages of one lane since the test began."""

    def __init__(self, installation: Installation, lane: str) -> None:
        self._installation = installation
        self._lane = lane
        self._before: dict[str, float] = {}

    async def now(self) -> dict[str, float]:
        metrics = await self._installation.metrics()
        outcomes = ("received", "stored", "duplicate", "quarantined")
        return {
            each: metrics.value("telecare_messages_total", lane=self._lane, outcome=each) - self._before.get(each, 0)
            for each in outcomes
        }

    async def begin(self) -> "Counted":
        self._before = await self.now()
        return self

    async def until(self, **expected: float) -> None:
        async def counted() -> bool:
            return {"stored": 0.0, "duplicate": 0.0, "quarantined": 0.0, **expected}.items() <= (
                await self.now()
            ).items()

        await until(counted, what=f"{self._lane} messages to be counted as {expected}")


EVERY_FIELD = {
    "battery_pct": 97, "mains": True, "signal_dbm": -71, "network": "lte", "sim_operator": "23410", "cell_id": "1A2B",
    "firmware": "4.2.0", "temperature_c": 20.5,
}  # fmt: skip


async def test_a_heartbeat_is_stored_once_however_often_it_comes(installation: Installation, box: MakeBox) -> None:
    home = await box()
    counted = await Counted(installation, "heartbeat").begin()
    beat = home.beat(**EVERY_FIELD)
    await counted.until(received=1, stored=1)

    home.again(beat)

    await counted.until(received=2, stored=1, duplicate=1)


@pytest.mark.parametrize(
    "bad",
    [
        {"battery_pct": 101}, {"battery_pct": "97"}, {"battery_pct": 97.5}, {"mains": "yes"}, {"signal_dbm": 3},
        {"network": "string"}, {"sim_operator": "O2"}, {"cell_id": "c" * 33}, {"firmware": "f" * 65},
        {"firmware": "4\0"}, {"temperature_c": "warm"}, {"temperature_c": 1e39},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_bad_reading_does_not_cost_the_heartbeat(
    installation: Installation, box: MakeBox, bad: dict[str, object]
) -> None:
    home = await box()
    counted = await Counted(installation, "heartbeat").begin()
    home.beat(**{**EVERY_FIELD, **bad})
    await counted.until(received=1, stored=1)


async def test_a_heartbeat_with_an_absurd_clock_is_stored_and_its_repeat_meets_it(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    counted = await Counted(installation, "heartbeat").begin()
    for sent_at in ("1970-01-01T00:00:07Z", "2099-06-01T00:00:00+01:00", "0001-01-01T00:00:00+14:00"):
        home.again(home.beat(sent_at=sent_at))
    await counted.until(received=6, stored=3, duplicate=3)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[]", json.dumps({"boot_id": "b", "sent_at": now()}).encode(), PRIVATE.encode()],
    ids=["empty", "no text", "a list", "without seq", "words"],
)
async def test_a_heartbeat_that_cannot_be_identified_is_set_aside(
    installation: Installation, box: MakeBox, payload: bytes
) -> None:
    home = await box()
    counted = await Counted(installation, "heartbeat").begin()
    home.say("heartbeat", payload)
    await counted.until(received=1, quarantined=1)


async def test_a_bad_heartbeat_does_not_cost_those_that_came_with_it(installation: Installation, box: MakeBox) -> None:
    homes: list[Box] = [await box(), await box()]
    counted = await Counted(installation, "heartbeat").begin()
    for _ in range(20):
        homes[0].beat()
        homes[1].say("heartbeat", b'{"boot_id":"\\u0000"}')
        homes[1].beat(firmware="\0")
    await counted.until(received=60, stored=40, quarantined=20)


async def test_neither_a_heartbeat_nor_a_status_nor_a_will_is_an_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    for state in ("online", "offline"):
        body = {"state": state, "boot_id": home.boot_id, "sent_at": now()}
        home.client.publish(f"{home.topic}/status", json.dumps(body).encode(), 1, retain=True)
    home.client.publish(f"{home.topic}/status", b"\xff", 1)
    home.beat(mains=False, battery_pct=1)
    home.press("fall")

    await receiver.told(home.device_id)

    assert [each["kind"] for each in await installation.alarms(home.device_id)] == ["fall"]
