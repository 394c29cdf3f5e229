"""What the figures were measured on, and what else was going on there."""

import asyncio
import os
import platform
from typing import Final

import psutil

_WATCHED_S: Final = 1.0
_BUSY_PERCENT: Final = 5.0


def machine() -> str:
    """In a line."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} processors, {memory_gib:.0f} GiB, Python {platform.python_version()}, everything on loopback"
    )


async def what_else_runs() -> str:
    """In a line: the load, and what takes more than a twentieth of a processor and is not ours."""
    ours = {psutil.Process(), *psutil.Process().children(recursive=True)}
    others = [each for each in psutil.process_iter() if each not in ours]
    for each in others:
        _percent(each)  # the first answer is of no use: the next one is since this
    await asyncio.sleep(_WATCHED_S)
    busy = sorted(((_percent(each), each) for each in others), key=lambda pair: -pair[0])
    named = [f"{_name(each)} {percent:.0f} %" for percent, each in busy if percent > _BUSY_PERCENT]
    return f"load {os.getloadavg()[0]:.2f}; beside us: {', '.join(named) or 'nothing'}"


class Processors:
    """What became of the processors' time since this was made."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def since(self) -> str:
        """In a line. What is stolen went to other guests of the same host: with much of it, no figure means anything."""
        now = psutil.cpu_times()
        spent = {
            name: getattr(now, name) - getattr(self._before, name) for name in ("user", "system", "idle", "iowait")
        }
        stolen = getattr(now, "steal", 0.0) - getattr(self._before, "steal", 0.0)
        total = sum(spent.values()) + stolen
        return (
            f"meanwhile the processors were idle for {spent['idle'] / total:.0%}, and stolen for {stolen / total:.0%}"
        )


def _percent(process: psutil.Process) -> float:
    try:
        return process.cpu_percent()
    except psutil.Error:
        return 0.0


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "?"
