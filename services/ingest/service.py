"""Where ingest is put together."""

import asyncio

from services.chassis.loop import Loop
from services.chassis.postgres import open_pool
from services.chassis.postgres.borrow import borrow
from services.chassis.service import Runtime, Service
from services.chassis.shard import Lane, Shards
from services.chassis.vitals import BrokerVitals
from services.ingest import alarm_lane, heartbeat_lane
from services.ingest.alarm_lane import AlarmLane
from services.ingest.alarm_store import AlarmStore
from services.ingest.forgetting import forgetting_loops
from services.ingest.heartbeat_lane import HeartbeatLane
from services.ingest.heartbeat_store import HeartbeatStore
from services.ingest.liveness import liveness
from services.ingest.metrics import Metrics
from services.ingest.receipts import Receipts
from services.ingest.registrations import STREAM, Registrations
from services.ingest.sql import QUERIES

_POOL_SIZE = 10  # three are the lanes' own, kept; the others serve leases, receipts and loops
_HEARTBEAT_STORES = 2
_CLOSE_S = 2.0


async def build(runtime: Runtime) -> Service:
    """Ingest, for this process."""
    metrics = Metrics(runtime.metrics)
    pool = await open_pool(runtime.database_url, role="telecare_ingest", name="ingest", size=_POOL_SIZE)
    alarm_store = AlarmStore(pool)
    heartbeat_stores = [HeartbeatStore(pool) for _ in range(_HEARTBEAT_STORES)]
    receipts = Receipts(runtime.publisher, pool, runtime.clock)
    alarms = AlarmLane(alarm_store, receipts, metrics.alarms, runtime.clock)
    heartbeats = HeartbeatLane(heartbeat_stores, metrics.heartbeats, metrics.statuses, runtime.clock)
    shards = Shards(
        pool=pool,
        mqtt_url=runtime.mqtt_url,
        clock=runtime.clock,
        instance=runtime.instance,
        service="ingest",
        lanes={
            "alarm": Lane(alarms.work, alarm_lane.RECEIVE_MAX),
            "heartbeat": Lane(heartbeats.work, heartbeat_lane.RECEIVE_MAX, heartbeat_lane.filter_of),
        },
        on_gap=metrics.session_gaps.inc,
    )
    metrics.blind_when(lambda: shards.blind)
    watching = liveness(runtime, pool, metrics.liveness)
    registrations = Loop("registrations", Registrations(pool, runtime.clock).take, every_s=1.0)

    async def database() -> str | None:
        async with borrow(pool) as connection:
            await connection.fetchval(QUERIES["ping"])
        return None

    async def storing() -> str | None:
        return " ".join(filter(None, (alarms.patience.trouble, heartbeats.patience.trouble))) or None

    def told(stream: str) -> None:
        if stream in {STREAM, ""}:  # "": something may have been missed
            registrations.poke()

    async def close() -> None:
        """Alarms that no broker delivers again are stored while there is time."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                while await alarms.store_unrepeatable():
                    pass
        except TimeoutError:
            pass
        await watching.let_go()
        await receipts.close()
        alarm_store.close()
        for store in heartbeat_stores:
            store.close()
        pool.terminate()

    return Service(
        name="ingest",
        loops=[
            registrations,
            Loop("unrepeatable-alarms", alarms.store_unrepeatable, every_s=1.0),
            *forgetting_loops(runtime, pool),
            *watching.loops,
        ],
        tasks=[shards.run, BrokerVitals(runtime.metrics, runtime.mqtt_url, runtime.instance).run],
        checks=[shards.check, storing, database],
        listens={"event_log": told},
        close=close,
    )
