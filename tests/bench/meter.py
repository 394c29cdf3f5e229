"""What each part costs: processor time and memory, by the processes that belong to it."""

import resource
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

Parts = Mapping[str, Callable[[], Sequence[int]]]
"""The processes of each part, the parent of the others first."""


@dataclass(frozen=True)
class Cost:
    """Of one part: microseconds of processor time for each heartbeat, and MiB at the end (a shared page counts once)."""

    cpu_us: float
    memory_mib: float


def own_usage() -> dict[str, float]:
    """What this process has used so far, to be told to whoever reads `used`."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "memory_mib": usage.ru_maxrss / 1024}


def used(before: Mapping[str, float], after: Mapping[str, float], heartbeats: int) -> Cost:
    """What a process that has ended by now used between two of its tellings."""
    return Cost((after["cpu_s"] - before["cpu_s"]) / heartbeats * 1e6, after["memory_mib"])


class Meter:
    """Measures from its making to `costs`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._before_s = {name: _cpu_s(pids()) for name, pids in parts.items()}

    def costs(self, heartbeats: int) -> dict[str, Cost]:
        """What each part has cost since, for so many heartbeats."""
        return {
            name: Cost((_cpu_s(pids()) - self._before_s[name]) / heartbeats * 1e6, _memory_mib(pids()))
            for name, pids in self._parts.items()
        }


def _cpu_s(pids: Sequence[int]) -> float:
    total = 0.0
    for position, pid in enumerate(pids):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
            if position == 0:  # what its children that have ended took
                total += times.children_user + times.children_system
    return total


def _memory_mib(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_full_info().pss
    return total / 2**20
