"""An upgrade as docs/operations.md has it: two of each, restarted one after the other, while people press. Nothing is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.blackbox.hub import Receiver
from tests.blackbox.installation import COUNCIL, HUB, Installation, empty_database, settings_for
from tests.blackbox.program import Program
from tests.support.devices import Traffic, boxes, insist
from tests.support.servers import Broker, DatabaseServer, free_port, until

pytestmark = pytest.mark.timeout(300)


class Twice(Installation):
    """Two ingests and two alerts, and a registry."""

    async def add_twins(self) -> None:
        """The second of each, beside the first, and one after the other: five at once are slow to start on two cores."""
        for name in ("ingest", "alerts"):
            port = free_port()
            log = Path(self.settings["DATA_DIR"]) / f"{name}-twin.log"
            self.programs[f"{name}-twin"] = Program(name, settings={**self.settings, "HTTP_PORT": str(port)}, log=log)
            self._apis[f"{name}-twin"] = self.api.at(f"http://127.0.0.1:{port}")
            self.programs[f"{name}-twin"].start()
            await until(self.ready, 60, what=f"the twin of {name} to be ready")

    async def restart(self, name: str) -> None:
        """As `systemctl restart` does it: SIGTERM, and a new one; its twin is ready before and after."""
        assert await self.programs[name].stop() == 0
        self.programs[name].start()
        await until(self.ready, 60, what=f"{name} to be ready again")


@pytest.fixture
async def twice(postgres_server: DatabaseServer, broker: Broker, tmp_path: Path) -> AsyncIterator[Twice]:
    receiver = Receiver()
    await receiver.start()
    async with empty_database(postgres_server) as database_url, aiohttp.ClientSession() as http:
        settings = settings_for(database_url, broker.url, tmp_path)
        installation = Twice(settings, broker, receiver, http, layout=("registry", "ingest", "alerts"))
        try:
            await installation.start()
            await installation.add_twins()
            yield installation
            await installation.stop()
        finally:
            installation.kill()
            await receiver.stop()
    installation.assert_every_notification_kept_its_word()
    installation.assert_untroubled()


async def test_two_ingests_and_two_alerts_are_restarted_one_after_the_other_and_nothing_is_lost(
    twice: Twice, broker: Broker
) -> None:
    async with boxes(broker, 4) as homes:
        for home in homes:
            await twice.register(home.device_id, COUNCIL)
        traffic = Traffic(homes, every_s=0.1)
        async with traffic.flowing():
            await traffic.more(10)
            for name in ("ingest", "ingest-twin", "alerts", "alerts-twin", "registry"):
                await twice.restart(name)
                await traffic.more(5)
        await insist(traffic.pressed)
        connection = await asyncpg.connect(twice.settings["DATABASE_URL"])
        try:

            async def all_told() -> bool:
                waiting: bool = await connection.fetchval(
                    "select exists (select from chassis.event_log where stream = 'alarms') or exists "
                    "(select from alerts.delivery where state = 'pending')"
                )
                return not waiting

            await until(all_told, 60, what="everything to be told")
            pressed = len(traffic.pressed)
            assert await connection.fetchval("select count(*) from ingest.alarm_event") == pressed
            assert await connection.fetchval("select sum(event_count) from alerts.alarm") == pressed
        finally:
            await connection.close()
        for home in homes:
            # Each press is a notification of its own: the first raised the alarm, the others were told as repeats.
            told = {each.id for each in twice.receiver.accepted(home.device_id, hub=HUB)}
            assert len(told) >= sum(box is home for box, _ in traffic.pressed)
