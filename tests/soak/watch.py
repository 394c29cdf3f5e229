"""What is looked at all the time: memory, processors, what the auditor says, and who has ended though nobody ended him."""

import asyncio
import os
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

    def __init__(self, house: House, boxes_pid: int, every_s: float) -> None:
        self._house = house
        self._ours = {"the simulated boxes": boxes_pid, "hubs, proxies, the soak": os.getpid()}
        self._every_s = every_s
        self._samples: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        self._cpu: dict[tuple[str, int], list[float]] = defaultdict(list)
        self.load: list[float] = []
        self.audit_violations_max = 0.0

    async def run(self) -> None:
        while True:
            await self._house.restart_the_fallen()
            self.look()
            self.audit_violations_max = max(self.audit_violations_max, await audit_violations(self._house))
            await asyncio.sleep(self._every_s)

    def look(self) -> None:
        """At memory and processors."""
        self._look_at_memory()
        self.load.append(os.getloadavg()[0])
        for name, pids in {**self._served(), **{name: [pid] for name, pid in self._ours.items()}}.items():
            self._cpu[name, pids[0]].append(sum(map(_cpu_s, pids)))

    @property
    def cpu_s(self) -> dict[str, float]:
        """By name, of all lives of a process together, from the first look at each to the last."""
        used: dict[str, float] = defaultdict(float)
        for (name, _), seen in self._cpu.items():
            used[name] += max(seen) - seen[0]
        return used

    def _look_at_memory(self) -> None:
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
        for name, pids in self._served().items():
            if name in self._house.services:
                with suppress(psutil.Error):
                    found[name] = (pids[0], psutil.Process(pids[0]).memory_info().rss / 2**20)
            else:
                found[name] = (pids[0], sum(map(_pss, pids)) / 2**20)
        return found

    def _served(self) -> dict[str, list[int]]:
        """Processes of the service and of its servers, as they run now."""
        found = {name: [each.program.pid] for name, each in self._house.services.items() if each.program.running}
        servers: dict[str, Broker | DatabaseServer] = {
            "mosquitto": self._house.broker,
            "postgres": self._house.database,
        }
        for name, server in servers.items():
            with suppress(RuntimeError):  # it is not running just now
                found[name] = server.processes()
        return found


def _cpu_s(pid: int) -> float:
    """With what its children had used that are gone."""
    with suppress(psutil.Error):
        return float(sum(psutil.Process(pid).cpu_times()[:4]))
    return 0.0


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
