"""What a unit says, on its way to the broker: as itself, no faster than it may, its alarms first; it asks for its receipts only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from contracts.topics import ROOT, parse_device_topic
from services.registry.gate.meter import Lanes
from services.registry.gate.packets import DISCONNECT, PUBLISH, SUBSCRIBE, Unreadable, subscribing, topic_of

_PACKET_BYTES_MAX: Final = 32 * 1024  # twice what the contract accepts
_HELD_MAX: Final = 64
_HELD_BYTES_MAX: Final = 64 * 1024
_BYTES_A_UNIT: Final = 4096
_LANES: Final = frozenset({"heartbeat", "alarm", "status"})
_LOOKED_UP_EVERY_S: Final = 30.0


@dataclass(slots=True)
class Passing:
    """Of one connection. `level`: of MQTT. `own`, `councils`: the measures. `may_stay` is asked now and then, after a packet."""

    council: str
    unit: str
    level: int
    own: Lanes
    councils: Lanes
    quiet_s: float
    may_stay: Callable[[], Awaitable[bool]]
    _held: deque[tuple[float, bytes]] = field(default_factory=deque)
    _held_bytes: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, unit: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        """Until the unit ends it, is silent for too long, or has a credential of its own. Raises Unreadable, OSError, EOFError."""
        slow = asyncio.ensure_future(self._pass_held(broker))
        reading = asyncio.ensure_future(self._read(unit, broker))
        try:
            await asyncio.wait((slow, reading), return_when=asyncio.FIRST_COMPLETED)
            (reading if reading.done() else slow).result()
        finally:
            slow.cancel()
            reading.cancel()
            await asyncio.gather(slow, reading, return_exceptions=True)

    async def _read(self, unit: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        looked_at = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout(self.quiet_s):
                    kind, raw, body = await packet(unit, _PACKET_BYTES_MAX)
            except EOFError:
                await self._all_passed()
                return
            if kind == DISCONNECT:
                await self._all_passed()
            if kind == SUBSCRIBE:
                raw = subscribing(body, self.level, f"{ROOT}/devices/{self.council}/{self.unit}/receipt")
            units = 1 + len(body) / _BYTES_A_UNIT
            lane = self._lane_of(body) if kind == PUBLISH else None
            if lane in {None, "alarm"}:
                if lane is not None:
                    await self.own.alarms.take(units)
                    await self.councils.alarms.take(units)
                broker.write(raw)
                await broker.drain()
            else:
                await self._hold(units, raw)
            now = asyncio.get_running_loop().time()
            if now - looked_at >= _LOOKED_UP_EVERY_S:
                looked_at = now
                if not await self.may_stay():
                    return

    def _lane_of(self, body: bytes) -> str:
        topic = topic_of(body)
        if not is_its_own(topic, self.council, self.unit):
            raise Unreadable("a unit speaks for itself only")
        return topic.rpartition("/")[2]

    async def _hold(self, units: float, raw: bytes) -> None:
        """So much is held back while alarms pass it by; with more than that the unit is read no further."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._held) < _HELD_MAX and self._held_bytes < _HELD_BYTES_MAX)
            self._held.append((units, raw))
            self._held_bytes += len(raw)
            self._changed.notify_all()

    async def _pass_held(self, broker: asyncio.StreamWriter) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._held))
            units, raw = self._held[0]
            await self.own.others.take(units)
            await self.councils.others.take(units)
            broker.write(raw)
            await broker.drain()
            async with self._changed:
                self._held.popleft()
                self._held_bytes -= len(raw)
                self._changed.notify_all()

    async def _all_passed(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._held)


def is_its_own(topic: str, council: str, unit: str) -> bool:
    """Whether a unit may say something there."""
    parts = parse_device_topic(topic)
    return parts is not None and (parts.council, parts.device) == (council, unit) and parts.lane in _LANES


async def packet(reader: asyncio.StreamReader, bytes_max: int) -> tuple[int, bytes, bytes]:
    """Its type, all of it, and its body. Raises Unreadable, EOFError."""
    head = await reader.readexactly(1)
    length = shift = 0
    while True:
        byte = await reader.readexactly(1)
        head += byte
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
        if shift > 21:
            raise Unreadable("a length of more than four bytes")
    if length > bytes_max:
        raise Unreadable("a packet that is too long")
    body = await reader.readexactly(length)
    return head[0] >> 4, head + body, body
