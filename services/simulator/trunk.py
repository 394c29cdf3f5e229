"""A raw MQTT 5 connection that only publishes, at QoS 1, as fast as the broker takes it."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import mqtt5

from services.chassis.mqtt import ConnectFailed, ConnectionRefused, Disconnected, DisconnectReason, MqttUrl
from services.chassis.mqtt.decoder import Decoder

_KEEP_ALIVE_S: Final = 30
_OPEN_TIMEOUT_S: Final = 10.0
_TAKEN: Final = (mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)
_PINGREQ: Final = mqtt5.PingReqPacket().write()


class Trunk(asyncio.Protocol):
    """Publish only while there is room: un-acknowledged are `in_flight_max` at most, or the broker's receive-maximum."""

    def __init__(self, client_id: str, in_flight_max: int, on_acknowledged: Callable[[int], None]) -> None:
        self._client_id = client_id
        self._in_flight_max = in_flight_max
        self._on_acknowledged = on_acknowledged  # told how many PUBACKs came together
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[mqtt5.ConnAckPacket] = self._loop.create_future()
        self._free_ids: deque[int] = deque()
        self._written: list[bytes] = []
        self._writable = asyncio.Event()
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self._gone: Disconnected | None = None
        self._ping: asyncio.TimerHandle | None = None

    async def open(self, url: MqttUrl) -> None:
        """Connect, without a session. Raises OSError, ConnectFailed, ConnectionRefused."""
        tls = ssl.create_default_context() if url.tls else None
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                await self._loop.create_connection(lambda: self, url.host, url.port, ssl=tls)
                self._write(_connect(url, self._client_id))
                answer = await self._opened
        except TimeoutError:
            raise ConnectFailed(f"no CONNACK from {url} within {_OPEN_TIMEOUT_S:g} s") from None
        if answer.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
            raise ConnectionRefused(answer.reason_code.name.lower())
        self._free_ids.extend(range(1, 1 + min(self._in_flight_max, answer.receive_max)))
        self._writable.set()
        self._keep_alive()

    @property
    def has_room(self) -> bool:
        """Whether one more may be published now."""
        return bool(self._free_ids) and self._writable.is_set() and self._gone is None

    async def room(self) -> None:
        """Return once there is room. Raises Disconnected."""
        self.flush()
        while not self.has_room:
            if self._gone is not None:
                raise self._gone
            self._changed.clear()
            await self._changed.wait()

    def publish(self, topic: str, payload: bytes, expiry_s: int | None) -> None:
        """Queue it for the next `flush`: a system call for each would cost more than all the rest."""
        packet = mqtt5.PublishPacket(
            topic,
            payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=self._free_ids.popleft(),
            message_expiry_interval=expiry_s,
        )
        self._written.append(packet.write())

    def flush(self) -> None:
        """Send what was published."""
        if self._written:
            self._write(b"".join(self._written))
            self._written.clear()

    async def close(self) -> None:
        """Say DISCONNECT and return once the socket is closed."""
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is None:
            return
        self._write(mqtt5.DisconnectPacket().write())
        self._transport.close()
        try:
            async with asyncio.timeout(1.0):
                await self._closed.wait()
        except TimeoutError:  # it does not read what we have written: it will not miss the DISCONNECT
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Disconnected(DisconnectReason.CONNECTION_LOST, str(exc) if exc else "end of stream"))
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        acknowledged = 0
        for packet, _ in self._decoder.feed(data):
            if isinstance(packet, mqtt5.PubAckPacket):
                self._free_ids.append(packet.packet_id)
                # A refusal (ACL, quota) is no heartbeat; "no matching subscribers" is one that nobody wanted.
                acknowledged += packet.reason_code in _TAKEN
            elif isinstance(packet, mqtt5.ConnAckPacket) and not self._opened.done():
                self._opened.set_result(packet)
            elif isinstance(packet, mqtt5.DisconnectPacket):
                self._end(Disconnected(DisconnectReason.SERVER_DISCONNECTED, packet.reason_code.name.lower()))
        if self._decoder.broken is not None:
            self._end(self._decoder.broken)
        if acknowledged:
            self._on_acknowledged(acknowledged)
        self._changed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._changed.set()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self._gone is None:
            self._transport.write(data)

    def _keep_alive(self) -> None:
        self._write(_PINGREQ)
        self._ping = self._loop.call_later(_KEEP_ALIVE_S / 2, self._keep_alive)

    def _end(self, reason: Disconnected) -> None:
        if self._gone is None:
            self._gone = reason
        if not self._opened.done():
            self._opened.set_exception(self._gone)
            self._opened.exception()  # `open` may have given up on it already
        self._changed.set()


def _connect(url: MqttUrl, client_id: str) -> bytes:
    return mqtt5.ConnectPacket(
        client_id,
        username=url.username,
        password=url.password.encode() if url.password is not None else None,
        clean_start=True,
        keep_alive=_KEEP_ALIVE_S,
    ).write()
