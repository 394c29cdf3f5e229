"""One device on a connection of its own, kept up as a real box would: with back-off and jitter, for as long as it has power."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.device import Receipt
from contracts.topics import parse_device_topic
from services.chassis.mqtt import Backoff, MqttError, MqttUrl
from services.simulator.clock import SteadyClock
from services.simulator.device import Device
from services.simulator.line import Line, open_line
from services.simulator.messages import Outgoing
from services.simulator.occurrence import Occurrence
from services.simulator.traces import AlarmTrace, Ledger

_NAP_S_MAX: Final = 60.0


class Box:
    """Run `run()` as a task, and end it with `stop()`. The other methods are what happens in and around the home."""

    def __init__(
        self,
        device: Device,
        *,
        url: MqttUrl,
        clock: SteadyClock,
        ledger: Ledger,
        backoff: Backoff,
        connect_after_s: float = 0.0,
    ) -> None:
        self.device = device
        self._url = url
        self._clock = clock
        self._ledger = ledger
        self._backoff = backoff
        self._connect_at = clock.now() + timedelta(seconds=connect_after_s)
        self._has_network = True
        self._stopping = False
        self._poked = asyncio.Event()
        self._boots = 0

    def raise_alarm(self, occurrence: Occurrence) -> AlarmTrace | None:
        """It happens now. None when the box is off."""
        self.device.raise_alarm(occurrence, self._clock.now())
        traces = self._record()
        self._poked.set()
        return traces[-1] if traces else None

    def lose_mains(self) -> None:
        """A power cut."""
        self.device.lose_mains(self._clock.now())
        self._poked.set()

    def restore_mains(self) -> None:
        """The power is back."""
        self.device.restore_mains(self._clock.now())
        self._record()
        self._poked.set()

    def lose_network(self) -> None:
        """The connection breaks without a word, and no new one comes about until `regain_network`."""
        self._has_network = False
        self._poked.set()

    def regain_network(self, *, after_s: float = 0.0) -> None:
        """There is a network again; this box tries it after so long."""
        self._has_network = True
        self._connect_at = self._clock.now() + timedelta(seconds=after_s)
        self._poked.set()

    def reboot(self) -> None:
        """Somebody pulled the plug and put it back: the connection breaks, and only the alarms survive."""
        self.device.boot(self._clock.now())
        self._boots += 1
        self._poked.set()

    def stop(self) -> None:
        """End the run: say `offline`, hang up."""
        self._stopping = True
        self._poked.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            if self._may_connect():
                await self._try_connection()
            self._step()
            await self._nap(self.device.wake_at, self._connect_at if self._wants_connection() else None)

    # How

    def _wants_connection(self) -> bool:
        return self._has_network and self.device.is_on and not self._stopping

    def _may_connect(self) -> bool:
        return self._wants_connection() and self._connect_at <= self._clock.now()

    async def _try_connection(self) -> None:
        try:
            await self._connect()
        except MqttError as error:
            self._ledger.trouble = str(error)
        wait_s = self._backoff.next_s()
        # Not sooner than what `regain_network` has set meanwhile.
        self._connect_at = max(self._connect_at, self._clock.now() + timedelta(seconds=wait_s))

    async def _connect(self) -> None:
        boot = self._boots
        async with open_line(self._url, self.device, self._clock.now()) as line:
            with self._online():
                await _first_to_end(self._speak(line, boot), self._hear(line))

    @contextlib.contextmanager
    def _online(self) -> Iterator[None]:
        self.device.connected()
        self._backoff.reset()
        self._ledger.connected(self.device.identity)
        try:
            yield
        finally:
            self.device.disconnected()
            self._ledger.disconnected(self.device.identity)

    async def _speak(self, line: Line, boot: int) -> None:
        while self._wants_connection() and boot == self._boots:
            for message in self._step():
                began_at = time.monotonic()
                if await line.say(message):
                    self._ledger.published(self.device.identity, message, began_at)
            if self.device.is_on:  # the step may have been its last
                await self._nap(self.device.wake_at)
        if self._stopping:
            await line.say(self.device.will(self._clock.now()))
            return
        line.cut()

    async def _hear(self, line: Line) -> None:
        async for message in line.messages():
            topic = parse_device_topic(message.topic)
            if topic is None or not isinstance(message.payload, bytes):
                continue
            heeded = self.device.receive(topic.lane, message.payload, self._clock.now())
            if isinstance(heeded, Receipt):
                self._ledger.receipted(self.device.identity, heeded)
            self._poked.set()

    def _step(self) -> list[Outgoing]:
        was_on = self.device.is_on
        messages = self.device.step(self._clock.now())
        self._record()
        if was_on and not self.device.is_on:
            self._ledger.note("switched_off", self.device.identity)
        return messages

    def _record(self) -> list[AlarmTrace]:
        return [self._ledger.born(self.device.identity, alarm) for alarm in self.device.take_born()]

    async def _nap(self, *instants: datetime | None) -> None:
        """Until the first of these instants, or until something happens; never when stopping, which is poked only once."""
        if self._stopping:
            return
        now = self._clock.now()
        waits_s = [(instant - now).total_seconds() for instant in instants if instant is not None]
        try:
            async with asyncio.timeout(max(0.0, min(waits_s, default=_NAP_S_MAX))):
                await self._poked.wait()
        except TimeoutError:
            pass
        self._poked.clear()


async def _first_to_end(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them until one ends, then end the others; raises what that one raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
