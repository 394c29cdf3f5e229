"""What the broker says of itself under `$SYS`: what it threw away, who is connected, how much waits in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, Never

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.chassis.mqtt import Backoff, Filter, MqttError, MqttUrl, Session, SessionOptions

DROPPED: Final = (
    "$SYS/broker/publish/messages/dropped"  # for a full queue, or too much in flight: Mosquitto's own count
)
_CLIENTS: Final = "$SYS/broker/clients/connected"
_STORED: Final = "$SYS/broker/store/messages/bytes"
_BATCH: Final = 64


class BrokerVitals(Collector):
    """`telecare_broker_…`, while the broker tells us. One that knows no `$SYS` (rumqttd) hangs up: so it is asked but seldom."""

    def __init__(self, metrics: CollectorRegistry, url: MqttUrl, instance: str) -> None:
        self._url = url
        self._options = SessionOptions(
            client_id=f"telecare-vitals-{instance}"[:64],
            filters=tuple(Filter(topic, qos=0) for topic in (DROPPED, _CLIENTS, _STORED)),
            receive_max=_BATCH,
            session_expiry_s=0,
            clean_start=True,
        )
        self._told: dict[str, float] = {}
        metrics.register(self)

    async def run(self) -> Never:
        """Listen, and again whenever the connection ends. Ends only by cancellation."""
        backoff = Backoff(first_s=1.0, max_s=60.0)
        while True:
            try:
                await self._listen(backoff)
            except (MqttError, OSError):  # that the broker is away is said by all who need it
                self._told = {}
            await asyncio.sleep(backoff.next_s())

    async def _listen(self, backoff: Backoff) -> None:
        session = await Session.connect(self._url, self._options)
        try:
            while True:
                for message in await session.batch(_BATCH):
                    self._read(message.topic, bytes(message.payload))
                    backoff.reset()
        finally:
            await session.close()

    def _read(self, topic: str, payload: bytes) -> None:
        try:
            self._told[topic] = float(payload)
        except ValueError:
            self._told.pop(topic, None)

    def describe(self) -> Iterator[Metric]:
        """The names, so that registering twice fails at once."""
        yield from (_family(topic, 0) for topic in (DROPPED, _CLIENTS, _STORED))

    def collect(self) -> Iterator[Metric]:
        """What it said last."""
        for topic, value in self._told.items():
            yield _family(topic, value)


def _family(topic: str, value: float) -> Metric:
    if topic == DROPPED:
        help_ = "Messages that the broker threw away since it started: it had said PUBACK to them."
        return CounterMetricFamily("telecare_broker_messages_dropped", help_, value=value)
    if topic == _CLIENTS:
        return GaugeMetricFamily("telecare_broker_clients", "Clients that are connected to the broker.", value=value)
    return GaugeMetricFamily("telecare_broker_stored_bytes", "What waits in the broker's queues.", value=value)
