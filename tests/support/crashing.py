"""Runs a service that loses its power at a chosen point: `python -m tests.support.crashing POINT SERVICE`.

Production code holds no hook: here the method at that point is wrapped, before the service starts.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from services.chassis.mqtt import Publisher, Session
from services.ingest.alarm_store import AlarmStore, Arrival, _columns
from services.ingest.domain import slices
from services.ingest.sql import QUERIES
from tests.support.sweeping import SLICE_PAGES, lose_power_after

_BATCHES = 3


def die() -> None:
    """As with the power: no handler, no flush."""
    os.kill(os.getpid(), signal.SIGKILL)


def before_commit() -> None:
    """All of an alarm's transaction is done but its commit."""

    async def store(alarms: AlarmStore, arrivals: Sequence[Arrival], now: datetime) -> NoReturn:
        async with alarms._line.transaction() as connection:
            await connection.fetch(QUERIES["store_alarms"], *_columns(arrivals), now)
            die()
        raise AssertionError

    AlarmStore.store = store  # type: ignore[assignment, method-assign]


def before_puback() -> None:
    """Alarms are committed, and the broker does not know."""
    puback = Session.puback

    def acknowledge(session: Session, messages: Any) -> None:
        if any(message.topic.endswith("/alarm") for message in messages):
            die()
        puback(session, messages)

    Session.puback = acknowledge  # type: ignore[assignment, method-assign]


def before_receipt() -> None:
    """Alarms are committed and acknowledged to the broker, and no device knows."""
    publish = Publisher.publish

    async def send(publisher: Publisher, topic: str, payload: bytes, **options: Any) -> None:
        if topic.endswith("/receipt"):
            for _ in range(5):
                await asyncio.sleep(0)  # rounds of the event loop, in which the PUBACKs leave the process
            die()
        await publish(publisher, topic, payload, **options)

    Publisher.publish = send  # type: ignore[assignment, method-assign]


def between_verdicts() -> None:
    """Of those who are silent a part is told, and committed; nobody else is judged yet."""
    slices.PAGES = SLICE_PAGES  # type: ignore[misc]
    lose_power_after(_BATCHES)


POINTS = {point.__name__: point for point in (before_commit, before_puback, before_receipt, between_verdicts)}

if __name__ == "__main__":
    POINTS[sys.argv.pop(1)]()
    from services.cli.main import main

    main()
