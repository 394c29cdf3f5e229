"""What is looked at all the time: memory, what the auditor says, and who has ended though nobody ended him."""

import asyncio
import time
from collections import defaultdict
from contextlib import suppress

import aiohttp
import psutil

from tests.blackbox.api import Metrics
from tests.soak.house import House
from tests.soak.judge import Memory
from tests.support.servers import Broker, DatabaseServer


class Watch:
    """Run `run()` as a task; it ends by cancellation."""

    def __init__(self, house: House, every_s: float) -> None:
        self._house = house
        self._every_s = every_s
        self._samples: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        self.audit_violations_max = 0.0

    async def run(self) -> None:
        while True:
            await self._house.restart_the_fallen()
            self.look_at_memory()
            self.audit_violations_max = max(self.audit_violations_max, await audit_violations(self._house))
            await asyncio.sleep(self._every_s)

    def look_at_memory(self) -> None:
        """Of a server all its processes together, where a page that they share counts once."""
        now = time.monotonic()
        for name, (pid, mib) in self._memory().items():
            self._samples[name, pid].append((now, mib))

    @property
    def memory(self) -> list[Memory]:
        """Of each process by itself, in the order in which they began."""
        return [Memory(name, samples, name in self._house.services) for (name, _), samples in self._samples.items()]

    def _memory(self) -> dict[str, tuple[int, float]]:
        found = {}
        for each in self._house.services.values():
            if each.program.running:
                with suppress(psutil.Error):
                    found[each.name] = (each.program.pid, psutil.Process(each.program.pid).memory_info().rss / 2**20)
        servers: dict[str, Broker | DatabaseServer] = {
            "mosquitto": self._house.broker,
            "postgres": self._house.database,
        }
        for name, server in servers.items():
            with suppress(RuntimeError):  # it is not running just now
                pids = server.processes()
                found[name] = (pids[0], sum(map(_pss, pids)) / 2**20)
        return found


def _pss(pid: int) -> int:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0


async def audit_violations(house: House) -> float:
    """The most that any alerts process says now; one that can't answer says nothing."""

    async def ask(url: str, session: aiohttp.ClientSession) -> float:
        try:
            async with session.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return Metrics(await answer.text()).value("telecare_audit_violations")
        except (aiohttp.ClientError, TimeoutError):
            return 0.0

    return max(await asyncio.gather(*(ask(each.api.url, each.api.session) for each in house.of_kind("alerts"))))
