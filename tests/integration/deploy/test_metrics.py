"""What the running service tells Prometheus: well-formed, explained, and adding up through a crash of the database."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from contracts.metrics import CANARY_ROUND_TRIP
from tests.blackbox.api import Metrics
from tests.blackbox.installation import Installation
from tests.integration.deploy.town import homes
from tests.support.devices import Traffic
from tests.support.listed_metrics import LISTED, OF_THE_CANARY, SOMETIMES
from tests.support.servers import DatabaseServer, until
from tests.support.stack import STACK

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOXES = 4
RECOVERY_S = 90.0
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
            await until(lambda: blind(installation), what="the leases to lapse, and what was taken to be given back")
            await traffic.more(40)
            await asyncio.to_thread(database_server.start)
            await traffic.more(20)
        for box in boxes:
            box.send("status", {"state": "online"})
            box.say("heartbeat", b"no heartbeat")
        pressed = len(traffic.pressed)
        published = {"alarm": pressed, "heartbeat": pressed + BOXES, "status": BOXES}
        rows = {"alarm": pressed, "heartbeat": pressed, "quarantine": BOXES}

        found: dict[str, object] = {}

        async def accounted_for() -> bool:
            """Whether all that was published is in the database, was received, and is not in flight."""
            metrics = await installation.metrics()
            lanes = {lane: counts(metrics, lane) for lane in LANES}
            found.update(lanes, rows=await stored_rows(installation))
            complete = all(lanes[lane]["received"] >= published[lane] for lane in LANES)
            return complete and all(map(at_rest, lanes.values())) and found["rows"] == rows

        try:
            await until(accounted_for, RECOVERY_S)
        except AssertionError:
            pytest.fail(f"published {published}, which makes {rows}, but found {found}")

    # A commit whose answer the crash took with it is tried again, and is then a duplicate; so is what was committed when the
    # session was lost before its PUBACK, which is received again. Hence not `==`: the rows above say that nothing is missing.
    now = await installation.metrics()
    for lane, quarantined in (("alarm", 0), ("heartbeat", BOXES)):
        assert counts(now, lane)["quarantined"] == quarantined
        assert pressed // 2 < counts(now, lane)["stored"] <= pressed


async def blind(installation: Installation) -> bool:
    """Whether the service says that it hears nobody."""
    return (await installation.metrics()).value("telecare_monitoring_blind") == 1


async def stored_rows(installation: Installation) -> dict[str, int]:
    """How many the database holds."""
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        return {
            "alarm": await connection.fetchval("select count(*) from ingest.alarm_event"),
            "heartbeat": await connection.fetchval("select count(*) from ingest.heartbeat"),
            "quarantine": await connection.fetchval("select count(*) from ingest.quarantine"),
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
            grown = {each: now[each] - before[each] for each in OUTCOMES}
            # A box that has waited for its receipt says it once more by itself.
            return at_rest(grown) and grown["duplicate"] >= 1 and (grown["stored"], grown["quarantined"]) == (1, 0)

        await until(grown)


async def test_every_metric_of_today_says_what_it_measures_and_no_other_is_called_ours(
    installation: Installation,
) -> None:
    async def counted() -> Metrics | None:
        """Once whatever counts has done so: some do every five seconds, some every half minute."""
        metrics = await installation.metrics()
        there = all(metrics.labels(name) or not LISTED[name] for name in LISTED.keys() - OF_THE_CANARY)
        return metrics if there else None

    metrics = await until(counted, RECOVERY_S)
    ours = {name: family for name, family in metrics.families.items() if name.startswith("telecare_")}

    assert ours.keys() - SOMETIMES == LISTED.keys() - OF_THE_CANARY | {CANARY_ROUND_TRIP[0]}  # which is empty here
    for name in LISTED.keys() - OF_THE_CANARY:
        assert metrics.labels(name) == LISTED[name], name
        assert len(ours[name].documentation.split()) > 2, name


# One process, all of Scotland: 32 councils of eight stages are the most that any name has, and of buckets there are a few dozen.
SERIES_MAX = 1500


async def test_what_is_scraped_stays_small_and_names_no_device(installation: Installation) -> None:
    """A council's series are there from the start, so that a thousand more devices add none."""
    async with homes(installation, 3) as boxes:
        for box in boxes:
            await box.receipt(box.press("fall"))
        metrics = await installation.metrics()
    samples = [
        sample for name, family in metrics.families.items() if name.startswith("telecare_") for sample in family.samples
    ]
    values = {value for sample in samples for value in sample.labels.values()}
    assert len({sample.labels["council"] for sample in samples if sample.name == "telecare_devices"}) == 32
    assert not values & {box.device_id for box in boxes}
    assert len(samples) < SERIES_MAX


@pytest.mark.real_stack
async def test_promtool_finds_nothing_to_say_about_the_metrics(installation: Installation, tmp_path: Path) -> None:
    answer = await installation.api.by(None).get("/metrics")
    (tmp_path / "metrics").write_text(answer.body)
    result = await asyncio.to_thread(
        STACK.run, "/bin/sh", "-c", "/usr/bin/promtool check metrics < {files}/metrics", files=tmp_path
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
