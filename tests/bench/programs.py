"""The benchmark's own programs, as processes that tell how they fare in lines of JSON."""

import json
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.stack import REPOSITORY


class Program:
    """One of them, running."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self) -> dict[str, Any] | None:
        """The next that it says; None when it has ended well. Raises RuntimeError when it has not."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line:
            told: dict[str, Any] = json.loads(line)
            return told
        if await self._process.wait() != 0:
            raise RuntimeError("a program of the benchmark has failed: it says why above")
        return None

    async def all_it_says(self) -> list[dict[str, Any]]:
        """From now to its end."""
        told = []
        while (line := await self.says()) is not None:
            told.append(line)
        return told


@asynccontextmanager
async def running(name: str, *arguments: object) -> AsyncIterator[Program]:
    """`python -m tests.bench.<name>`; killed if it still runs in the end."""
    argv = [sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)]
    process = await create_subprocess_exec(*argv, cwd=REPOSITORY, stdin=DEVNULL, stdout=PIPE)
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
