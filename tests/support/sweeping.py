"""Sweeps until all was looked at: `python -m tests.support.sweeping URL NOW BATCHES`.

It may lose its power after so many batches of verdicts.

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
from services.ingest.liveness.health import verdicts as verdicts_on_health
from services.ingest.liveness.sweep import Sweep
from services.ingest.metrics import LivenessMetrics

SLICE_PAGES = 2
PASSES = 5
"""Each looks at the health of eight slices."""


class StandingClock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def lose_power_after(batches: int) -> None:
    """At once when so many are committed: no handler, no flush."""
    stored = 0

    def then_die(store: Any) -> Any:
        async def store_and_die(*arguments: Any) -> Any:
            nonlocal stored
            result = await store(*arguments)
            stored += 1
            if stored == batches:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return store_and_die

    verdicts.store = then_die(verdicts.store)
    verdicts_on_health.store = then_die(verdicts_on_health.store)


async def main() -> None:
    url, now, batches = sys.argv[1:]
    slices.PAGES = SLICE_PAGES  # type: ignore[misc]
    if int(batches):
        lose_power_after(int(batches))
    pool = await open_pool(url, role="telecare_ingest", name="sweeping")
    sweep = Sweep(
        pool, StandingClock(datetime.fromisoformat(now)), str(os.getpid()), LivenessMetrics(CollectorRegistry())
    )
    for _ in range(PASSES):
        await sweep.run_once()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
