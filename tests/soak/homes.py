"""The process of the boxes (`boxes.py`), as the soak asks it."""

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.soak.judge import Press
from tests.soak.plan import Plan
from tests.support.stack import REPOSITORY

_LINE_BYTES_MAX: Final = 1 << 28  # half an hour's presses are one line
_END_S: Final = 30.0
_ENDED: Final = "the process of the boxes has ended"


@dataclass(frozen=True)
class Figures:
    """`online`: (monotonic seconds, boxes with a connection), when that changed; `late_s`: of ten looks a second, sorted."""

    heartbeats: int
    repeats: int
    online: Sequence[tuple[float, int]]
    late_s: Sequence[float]


class Homes:
    """Every question raises RuntimeError once the process has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._has_ended = False

    async def online(self) -> None:
        """Return once each box that is to have a connection of its own has it."""
        await self._ask("online")

    async def live(self, for_s: float) -> None:
        """People call, for so long."""
        await self._ask("live", for_s=for_s)

    async def skew_clocks(self, seed: int) -> int:
        """Of every second box, one of which calls at once; how many they are."""
        return int(await self._ask("skew_clocks", seed=seed))

    async def set_clocks(self) -> None:
        """As they were."""
        await self._ask("set_clocks")

    async def cut_lines(self, seed: int) -> int:
        """Of every third box, one of which is called through at once; how many they are."""
        return int(await self._ask("cut_lines", seed=seed))

    async def mend_lines(self, seed: int) -> None:
        """They return, each in its own time."""
        await self._ask("mend_lines", seed=seed)

    async def unstored(self) -> int:
        """Alarms of which no box has a receipt yet."""
        return int(await self._ask("unstored"))

    async def presses(self) -> list[Press]:
        """All, in order."""
        return [Press(**each) for each in await self._ask("presses")]

    async def figures(self) -> Figures:
        """What the boxes did."""
        return Figures(**await self._ask("figures"))

    async def hear(self) -> None:
        """Take the answers, until the process ends."""
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                told = json.loads(line)
                answer = self._asked.pop(told["number"])
                if not answer.done():  # whoever asked may have gone
                    answer.set_result(told["answer"])
        finally:
            self._has_ended = True
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(RuntimeError(_ENDED))

    async def end(self) -> int | None:
        """The boxes hang up; the exit code, None when it had to be killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            return None

    async def _ask(self, do: str, **how: object) -> Any:
        if self._has_ended:
            raise RuntimeError(_ENDED)
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"number": number, "do": do, "how": how}).encode() + b"\n")
        return await answer


@asynccontextmanager
async def open_homes(url: str, plan: Plan) -> AsyncIterator[Homes]:
    """They come online one after the other, over `plan.connect_over_s`. RuntimeError when the process ended badly."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.soak.boxes",
        json.dumps({"url": url, "plan": asdict(plan)}),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
        start_new_session=True,  # Ctrl-C is for the soak, which ends us
    )
    homes = Homes(process)
    hearing = asyncio.create_task(homes.hear())
    try:
        yield homes
    finally:
        code = await homes.end()
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing
    if code != 0:
        raise RuntimeError(f"the process of the boxes ended with {code}; see what it wrote")
