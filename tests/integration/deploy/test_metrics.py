"""What the running service tells Prometheus: well-formed, explained, and adding up through a crash of the database."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from tests.blackbox.api import Metrics
from tests.blackbox.installation import Installation
from tests.integration.deploy.town import homes
from tests.support.devices import Traffic
from tests.support.listed_metrics import LATER, LISTED
from tests.support.servers import DatabaseServer, until
from tests.support.stack import STACK

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOXES = 4
RECOVERY_S = 40.0
OUTCOMES = ("received", "stored", "duplicate", "quarantined")
LANES = ("alarm", "heartbeat", "status")


def counts(metrics: Metrics, lane: str) -> dict[str, int]:
    """One lane's counters by outcome."""
    return {each: int(metrics.value("telecare_messages_total", lane=lane, outcome=each)) for each in OUTCOMES}


def at_rest(count: Mapping[str, int]) -> bool:
    return count["received"] == count["stored"] + count["duplicate"] + count["quarantined"]


async def test_each_message_is_counted_as_what_became_of_it_though_the_database_is_killed_meanwhile(
    installation: Installation, database_server: DatabaseServer
) -> None:
    async with homes(installation, BOXES) as boxes:
        traffic = Traffic(boxes)
        async with traffic.flowing():
            await traffic.more(20)
            await asyncio.to_thread(database_server.kill)
            await traffic.more(40)
            await asyncio.to_thread(database_server.start)
            await traffic.more(20)
        for box in boxes:
            box.send("status", {"state": "online"})
            box.say("heartbeat", b"no heartbeat")
        published = {"alarm": len(traffic.pressed), "heartbeat": len(traffic.pressed), "status": BOXES}

        async def settled() -> dict[str, dict[str, int]] | None:
            """Every lane's counters, once all that was published is in the database and nothing is in flight."""
            if await stored_rows(installation) != {lane: published[lane] for lane in ("alarm", "heartbeat")}:
                return None
            metrics = await installation.metrics()
            found = {lane: counts(metrics, lane) for lane in LANES}
            return found if all(map(at_rest, found.values())) and found["status"]["received"] >= BOXES else None

        found = await until(settled, RECOVERY_S, what=f"{published} to be stored, and all received to be accounted for")

    # A commit whose answer the crash took with it is tried again and met as a duplicate; and what was committed when the
    # session was lost is received again, also a duplicate. So `stored` may fall short by what was under way, no more.
    for lane in ("alarm", "heartbeat"):
        assert found[lane]["received"] - found[lane]["quarantined"] >= published[lane]
        assert published[lane] // 2 < found[lane]["stored"] <= published[lane]
    assert found["alarm"]["quarantined"] == 0
    assert found["heartbeat"]["quarantined"] == BOXES


async def stored_rows(installation: Installation) -> dict[str, int]:
    """How many the database holds, by lane; none while it is away."""
    try:
        connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    except (OSError, asyncpg.CannotConnectNowError):
        return {}
    try:
        return {
            "alarm": await connection.fetchval("select count(*) from ingest.alarm_event"),
            "heartbeat": await connection.fetchval("select count(*) from ingest.heartbeat"),
        }
    finally:
        await connection.close()


async def test_what_is_sent_twice_without_need_is_received_twice_and_stored_once(installation: Installation) -> None:
    before = counts(await installation.metrics(), "alarm")
    async with homes(installation, 1) as (home,):
        press = home.press("fall")
        await home.receipt(press)
        home.again(press)

        async def grown() -> bool:
            now = counts(await installation.metrics(), "alarm")
            return {each: now[each] - before[each] for each in OUTCOMES} == {
                "received": 2, "stored": 1, "duplicate": 1, "quarantined": 0,
            }  # fmt: skip

        await until(grown)


async def test_every_metric_of_today_says_what_it_measures_and_no_other_is_called_ours(
    installation: Installation,
) -> None:
    metrics = await installation.metrics()
    ours = {name: family for name, family in metrics.families.items() if name.startswith("telecare_")}

    assert {name for name in ours if not name.endswith("_created")} == LISTED.keys() - LATER
    for name in LISTED.keys() - LATER:
        assert metrics.labels(name) == LISTED[name], name
        assert len(ours[name].documentation.split()) > 2, name


@pytest.mark.real_stack
async def test_promtool_finds_nothing_to_say_about_the_metrics(installation: Installation, tmp_path: Path) -> None:
    answer = await installation.api.by(None).get("/metrics")
    (tmp_path / "metrics").write_text(answer.body)
    result = await asyncio.to_thread(
        STACK.run, "/bin/sh", "-c", "/usr/bin/promtool check metrics < {files}/metrics", files=tmp_path
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
