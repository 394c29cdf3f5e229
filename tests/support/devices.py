"""Devices that keep their promise: an unreceipted alarm is said again, byte for byte, in a test's time instead of theirs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.blackbox.box import Box, Sent
from tests.support.servers import Broker, until

REPEAT_EVERY_S = 1.0


@asynccontextmanager
async def boxes(broker: Broker, count: int, council: str = "glasgow-city") -> AsyncIterator[list[Box]]:
    """Connected devices, gone afterwards."""
    made = [Box(broker, f"TC-{secrets.token_hex(4)}", council) for _ in range(count)]
    try:
        for box in made:
            await box.connect()
        yield made
    finally:
        for box in made:
            box.close()


async def insist(pressed: Sequence[tuple[Box, Sent]], timeout_s: float = 60.0) -> None:
    """Repeat each alarm until it is receipted; fail when one is not within `timeout_s`."""

    def unreceipted() -> list[tuple[Box, Sent]]:
        return [(box, sent) for box, sent in pressed if not box.receipts(sent)]

    async def repeat() -> None:
        while True:
            await asyncio.sleep(REPEAT_EVERY_S)
            for box, sent in unreceipted():
                box.again(sent)

    repeating = asyncio.create_task(repeat())
    try:
        await until(lambda: not unreceipted(), timeout_s, what="a receipt for every alarm")
    finally:
        repeating.cancel()


class Traffic:
    """Devices that press their pendants all the time, until told to stop."""

    def __init__(self, made: Sequence[Box], every_s: float = 0.02, press: Callable[[Box], Sent] = Box.press) -> None:
        self._boxes = made
        self._every_s = every_s
        self._press_of = press
        self.pressed: list[tuple[Box, Sent]] = []

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Presses and heartbeats while the block runs."""
        pressing = asyncio.create_task(self._press())
        try:
            yield
        finally:
            pressing.cancel()

    async def more(self, count: int) -> None:
        """Return when so many more alarms were pressed."""
        wanted = len(self.pressed) + count
        await until(lambda: len(self.pressed) >= wanted, what=f"{count} more alarms")

    async def _press(self) -> None:
        while True:
            for box in self._boxes:
                self.pressed.append((box, self._press_of(box)))
                box.beat()
                await asyncio.sleep(self._every_s)
