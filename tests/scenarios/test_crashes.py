"""Whatever is killed while people press their pendants: every alarm is at the hub in the end, and every box knows it.

Seen from outside: real processes, a real broker and database, SIGKILL. Boxes keep the contract's promise and repeat an alarm,
byte for byte, until its receipt comes.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.blackbox.box import Box, Sent
from tests.blackbox.hub import Delivery, Misbehaviour, Receiver
from tests.blackbox.installation import COUNCIL, Installation, empty_database, new_id, settings_for
from tests.support import servers
from tests.support.servers import Broker, DatabaseServer, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOXES = 6
PRESSES_EACH = 8
# Real boxes wait 10 s and longer. These are in a hurry, for the scenario's sake.
PRESS_EVERY_S = 0.15
REPEAT_EVERY_S = 1.0
RECOVERY_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(pristine_cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Town"]:
    """Three processes, and servers of their own that may be killed."""
    database, broker, receiver = servers.make_database_server(pristine_cluster), servers.make_broker(), Receiver()
    database.start()
    broker.start()
    await receiver.start()
    try:
        async with empty_database(database) as url, aiohttp.ClientSession() as http:
            settings = settings_for(url, broker.url, tmp_path_factory.mktemp("telecare"))
            settings["SECRET_KEY"] = secrets.token_urlsafe(32)
            layout = ("ingest", "alerts", "registry")
            installation = Installation(settings, broker, receiver, http, layout=layout)
            try:
                await installation.start()
                yield Town(installation, database)
                await installation.stop()
            finally:
                installation.kill()
        installation.assert_discreet()
    finally:
        await receiver.stop()
        broker.close()
        database.close()


class Town:
    """An installation, and the homes that rely on it."""

    def __init__(self, installation: Installation, database: DatabaseServer) -> None:
        self.installation = installation
        self.broker: Broker = installation.broker
        self.database = database
        self.receiver = installation.receiver

    @asynccontextmanager
    async def homes(self) -> AsyncIterator[list["Home"]]:
        """Registered, connected boxes."""
        homes = [Home(self.broker, new_id(), COUNCIL) for _ in range(BOXES)]
        for number, home in enumerate(homes):
            home.qos = number % 2  # what goes out with QoS 0 at the wrong moment, only a repeat can save
            await self.installation.register(home.device_id, COUNCIL)
            await home.connect()
        yield homes
        for home in homes:
            home.close()
            await self.installation.close_alarms(home.device_id)

    def raised(self, home: "Home") -> dict[int, list[Delivery]]:
        """The accepted deliveries of `alarm.raised`, by the `seq` of the press."""
        raised = defaultdict[int, list[Delivery]](list)
        for each in self.receiver.accepted(home.device_id, "alarm.raised"):
            raised[each.data["event"]["seq"]].append(each)
        return raised

    def told_of_everything(self, homes: list["Home"]) -> bool:
        return all(self.raised(home).keys() == {each.seq for each in home.sent} for home in homes)

    def still_missing(self, homes: list["Home"]) -> str:
        """For whoever reads a failure."""
        lines = [
            f"{home.device_id}: not at the hub {sorted({each.seq or 0 for each in home.sent} - self.raised(home).keys())}, "
            f"without receipt {[each.seq for each in home.sent if not home.receipts(each)]}"
            for home in homes
        ]
        return "\n".join([*lines, self.installation.log_tail()])


class Home(Box):
    """A box that presses now and then, and repeats each press until its receipt comes."""

    def __init__(self, broker: Broker, device_id: str, council_id: str) -> None:
        super().__init__(broker, device_id, council_id)
        self.sent: list[Sent] = []

    async def live(self, struck: asyncio.Event) -> None:
        """Half of the presses now, the others after the disaster; until each has its receipt."""
        async with asyncio.TaskGroup() as group:
            for number in range(PRESSES_EACH):
                if number == PRESSES_EACH // 2:
                    await struck.wait()
                # Each by another pendant, so that none joins another's alarm and each must be told by itself.
                press = self.press("fall", peripheral_id=f"pendant-{number}")
                self.sent.append(press)
                group.create_task(self._repeat(press))
                await asyncio.sleep(PRESS_EVERY_S)

    async def _repeat(self, press: Sent) -> None:
        while not self.receipts(press):
            await asyncio.sleep(REPEAT_EVERY_S)
            if self.client.is_connected():
                self.again(press)


def kill_the_process(name: str) -> Callable[[Town], tuple[Callable[[], None], Callable[[], None]]]:
    def of(town: Town) -> tuple[Callable[[], None], Callable[[], None]]:
        return town.installation.programs[name].kill, town.installation.programs[name].start

    return of


def kill_the_broker(town: Town) -> tuple[Callable[[], None], Callable[[], None]]:
    return town.broker.kill, town.broker.start


def kill_the_database(town: Town) -> tuple[Callable[[], None], Callable[[], None]]:
    return town.database.kill, town.database.start


@pytest.mark.parametrize(
    "disaster",
    [kill_the_process("ingest"), kill_the_process("alerts"), kill_the_broker, kill_the_database],
    ids=["ingest", "alerts", "the broker", "the database"],
)
async def test_every_alarm_reaches_the_hub_once_and_every_box_has_its_receipt_though_this_is_killed(
    town: Town, disaster: Callable[[Town], tuple[Callable[[], None], Callable[[], None]]]
) -> None:
    kill, start = disaster(town)
    async with town.homes() as homes:
        for home in (
            homes
        ):  # a hub that isn't well either: something is being tried again, and something hangs, when it happens
            town.receiver.plan(home.device_id, 204, 500, Misbehaviour.RESET, 503, Misbehaviour.HANG)
        struck = asyncio.Event()
        lives = [asyncio.create_task(home.live(struck)) for home in homes]

        await until(
            lambda: sum(len(town.raised(home)) for home in homes) >= BOXES,
            RECOVERY_S,
            what="the first alarms at the hub",
        )
        await asyncio.to_thread(kill)
        struck.set()
        await until(town.installation.unready, RECOVERY_S, what="/readyz to say so")
        await until(
            lambda: all(len(home.sent) == PRESSES_EACH for home in homes), RECOVERY_S, what="people to press meanwhile"
        )
        await asyncio.to_thread(start)

        try:
            async with asyncio.timeout(RECOVERY_S):
                await asyncio.gather(*lives)
            await until(lambda: town.told_of_everything(homes), RECOVERY_S)
        except (AssertionError, TimeoutError):
            pytest.fail(town.still_missing(homes))
        finally:
            for life in lives:
                life.cancel()

        await until(town.installation.ready, RECOVERY_S)
        town.installation.assert_every_notification_kept_its_word()
        for home in homes:
            assert all(len({each.id for each in raised}) == 1 for raised in town.raised(home).values())
            alarms = await town.installation.alarms(home.device_id)
            assert sorted((each["peripheral_id"], each["event_count"]) for each in alarms) == [
                (f"pendant-{number}", 1) for number in range(PRESSES_EACH)
            ]


async def test_a_broker_that_was_killed_leaves_a_gap_that_ops_can_see(town: Town) -> None:
    before = await gaps(town)
    await asyncio.to_thread(town.broker.kill)
    await asyncio.to_thread(town.broker.start)

    async def counted() -> bool:
        return await gaps(town) > before

    await until(counted, RECOVERY_S, what="the gap to be counted")
    await until(town.installation.ready, RECOVERY_S)


async def gaps(town: Town) -> float:
    return (await town.installation.metrics("ingest")).value("telecare_session_gaps_total")
