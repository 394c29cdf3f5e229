"""Tells devices that are being tried to report often, and those that no longer are to report as usual. One loop's `run_once`.

What is to be said follows from the sessions in the database, so that no way into or out of commissioning is missed, and no crash
leaves a device that reports every 15 s for ever: the device itself goes back when the time it was given has passed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from contracts.device import Command
from contracts.ids import CouncilId, DeviceId
from contracts.topics import device_topic
from services.chassis.clock import Clock
from services.chassis.mqtt import Publisher, PublishFailed
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.commissioning.evidence import QUERIES
from services.registry.domain.commissioning import OFTEN_FOR, Order, Session, orders, restoring

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
_SEND_FOR_S: Final = 5.0
_SENDING: Final = timedelta(seconds=15)
_AGAIN: Final = timedelta(seconds=5)
_KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Commander:
    """For a loop; poke it when a device begins or ends its commissioning."""

    pool: Pool
    publisher: Publisher
    clock: Clock

    async def run_once(self) -> int:
        """Order what is to be ordered, send what is due. Nothing is left that could be done at once."""
        now = self.clock.now()
        async with borrow(self.pool) as connection, connection.transaction():
            for row in await connection.fetch(QUERIES["open_sessions"], now - OFTEN_FOR, now):
                device_id, *session = row
                await order(connection, device_id, orders(Session(*session), now), now)
            for row in await connection.fetch(QUERIES["ended_sessions"]):
                await self._restore(connection, row, now)
            await connection.execute(QUERIES["expire_commands"], now)
        async with borrow(self.pool) as connection:
            due = await connection.fetch(QUERIES["take_commands"], now, now + _SENDING)
        await asyncio.gather(*(self._send(row) for row in due))
        return 0

    async def forget(self) -> int:
        """For a slow loop: what was ordered a month ago tells nobody anything."""
        async with borrow(self.pool) as connection:
            await connection.execute(QUERIES["forget_commands"], self.clock.now() - _KEPT)
        return 0

    async def _restore(self, connection: Connection, row: Record, now: datetime) -> None:
        if row["stage"] != "withdrawn":
            await order(connection, row["device_id"], restoring(row["asked_at"], row["heartbeat_interval_s"], now), now)
        await connection.execute(QUERIES["restored"], row["device_id"], now)

    async def _send(self, row: Record) -> None:
        command = Command(
            command_id=row["command_id"], name=row["name"], args=row["args"], expires_at=row["expires_at"]
        )
        topic = device_topic(CouncilId(row["council_id"]), DeviceId(row["device_id"]), "command")
        try:
            # Without MQTT's own expiry: the embedded broker loses what has MQTT 5 properties on the way to a 3.1.1 box. The box
            # goes by the command's.
            taken = await self.publisher.publish(topic, command.model_dump_json().encode(), timeout_s=_SEND_FOR_S)
        except PublishFailed:
            taken = False
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            if taken:
                await connection.execute(QUERIES["command_sent"], command.command_id, now)
                _log.info("command_sent", device_id=row["device_id"], command=command.name, attempt=row["attempts"])
            else:  # nobody listens, yet
                await connection.execute(QUERIES["command_later"], command.command_id, now + _AGAIN)


async def order(connection: Connection, device_id: str, wanted: Sequence[Order], now: datetime) -> None:
    """Write commands that are to be sent, in the caller's transaction."""
    for each in wanted:
        await connection.execute(QUERIES["supersede"], device_id, each.name)
        await connection.execute(
            QUERIES["command"], uuid.uuid4(), device_id, each.name, each.args, now, now + each.lives
        )
