"""Sweeps once, and may lose its power after so many batches of verdicts: `python -m tests.support.sweeping URL NOW BATCHES`.

Production code holds no hook: here what stores a batch is wrapped. Slices are small, so that few devices make many.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from services.chassis.postgres.pool import open_pool
from services.ingest.domain import slices
from services.ingest.liveness import verdicts
from services.ingest.liveness.sweep import Sweep
from services.ingest.metrics import LivenessMetrics

SLICE_PAGES = 2


class StandingClock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def lose_power_after(batches: int) -> None:
    """At once when so many are committed: no handler, no flush."""
    store, stored = verdicts.store, 0

    async def store_and_die(*arguments: Any) -> Any:
        nonlocal stored
        result = await store(*arguments)
        stored += 1
        if stored == batches:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    verdicts.store = store_and_die  # type: ignore[assignment]


async def main() -> None:
    url, now, batches = sys.argv[1:]
    slices.PAGES = SLICE_PAGES  # type: ignore[misc]
    if int(batches):
        lose_power_after(int(batches))
    pool = await open_pool(url, role="telecare_ingest", name="sweeping")
    sweep = Sweep(
        pool, StandingClock(datetime.fromisoformat(now)), str(os.getpid()), LivenessMetrics(CollectorRegistry())
    )
    await sweep.run_once()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
