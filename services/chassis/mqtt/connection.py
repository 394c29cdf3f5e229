"""One network connection that speaks MQTT 5: bytes, handshakes, keep-alive, flow control, and why it ended."""

import asyncio
from typing import TypeVar, cast

import mqtt5

from services.chassis.mqtt.decoder import Decoder
from services.chassis.mqtt.errors import Disconnected, DisconnectReason
from services.chassis.mqtt.inbox import Inbox, Message
from services.chassis.mqtt.tls import tls_context
from services.chassis.mqtt.url import MqttUrl

Reply = TypeVar("Reply", mqtt5.ConnAckPacket, mqtt5.SubAckPacket, mqtt5.UnsubAckPacket, mqtt5.PubAckPacket)
Request = mqtt5.ConnectPacket | mqtt5.SubscribePacket | mqtt5.UnsubscribePacket | mqtt5.PublishPacket
_Key = tuple[type[mqtt5.Packet], int | None]

_PINGREQ = mqtt5.PingReqPacket().write()
_CLOSE_S = 2.0
_SILENCE_INTERVALS_MAX = 1.5  # MQTT 5, 3.1.2.10: what a broker grants a client, we grant the broker


class Connection(asyncio.Protocol):
    """Belongs to one Session, or to a simulated box; `gone` is set once, with `reason`, and then nothing moves any more."""

    def __init__(self, inbox: Inbox) -> None:
        self.gone = asyncio.Event()
        self.reason: Disconnected | None = None
        self._inbox = inbox
        self._decoder = Decoder()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()
        self._asked: dict[_Key, asyncio.Future[mqtt5.Packet]] = {}
        self._farewell: Disconnected | None = None
        self._handshaking = True
        self._paused = False
        self._heard_at = self._loop.time()
        self._ping: asyncio.TimerHandle | None = None
        self._ping_due_at = self._heard_at

    async def open(self, url: MqttUrl) -> None:
        """TCP and, for `mqtts`, TLS. Raises OSError."""
        tls = await tls_context(url)
        await self._loop.create_connection(lambda: self, url.host, url.port, ssl=tls)

    def write(self, data: bytes) -> None:
        """Send, or do nothing on a connection that is gone."""
        if self._transport is not None and self.reason is None:
            self._transport.write(data)

    def request(self, packet: Request, reply: type[Reply]) -> asyncio.Future[Reply]:
        """Send what is answered, under a packet id of its own; the future is its answer, or the Disconnected that came instead."""
        answer: asyncio.Future[mqtt5.Packet] = self._loop.create_future()
        self._asked[reply, getattr(packet, "packet_id", None)] = answer
        self.write(packet.write())
        if self.reason is not None:
            answer.set_exception(self.reason)
        return cast("asyncio.Future[Reply]", answer)

    def start(self, keep_alive_s: int) -> None:
        """The handshake is over: ping twice an interval (0 is never), and throttle the broker when we are full."""
        self._handshaking = False
        self._pause_if_full()
        self._ping_later(keep_alive_s)

    def resume(self) -> None:
        """The reader has taken messages: read on if there is room again."""
        if self._paused and self._inbox.has_room and self.reason is None and self._transport is not None:
            self._paused = False
            self._heard_at = self._loop.time()  # silence while we did not listen proves nothing
            self._transport.resume_reading()

    async def close(self) -> None:
        """Say DISCONNECT (the session lives on until its expiry), and return once the server has hung up.

        It does so when it has read all that we sent. A successor that connected before that would cut the rest of our
        PUBACKs off, and be sent again what they had acknowledged.
        """
        self.write(mqtt5.DisconnectPacket().write())
        self.end(Disconnected(DisconnectReason.CLOSED))
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._closed.wait()
        except TimeoutError:
            pass  # it reads no more, and what it has not read comes again
        finally:  # also when cancelled
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once, without a word."""
        self.end(Disconnected(DisconnectReason.CLOSED, "aborted"))
        if self._transport is not None:
            self._transport.abort()

    def end(self, reason: Disconnected) -> None:
        """End it for this reason, unless it has ended already."""
        if self.reason is not None:
            return
        self.reason = reason
        self.gone.set()
        if self._ping is not None:
            self._ping.cancel()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(reason)
        self._inbox.keep_unrepeatable()
        self._hang_up(reason.reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(Disconnected(DisconnectReason.CONNECTION_LOST, str(exc) if exc else "end of stream"))
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        if self.reason is not None:
            return
        self._heard_at = self._loop.time()
        messages: list[tuple[Message, int]] = []
        size_bytes = 0
        for sized in self._decoder.feed(data):
            if type(sized[0]) is Message:
                messages.append(cast("tuple[Message, int]", sized))
                size_bytes += sized[1]
            else:
                self._control(sized[0])
        if messages:
            self._inbox.put(messages, size_bytes)
            self._pause_if_full()
        farewell = self._farewell or self._decoder.broken
        if farewell is not None:  # looked at last: what came before it, at QoS 0, does not come again
            self.end(farewell)

    def _control(self, packet: mqtt5.Packet) -> None:
        answer = self._asked.pop((type(packet), getattr(packet, "packet_id", None)), None)
        if answer is not None:
            if not answer.done():
                answer.set_result(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self._farewell = self._farewell or _said_goodbye(packet)
        elif not isinstance(packet, mqtt5.PingRespPacket):
            unexpected = Disconnected(DisconnectReason.PROTOCOL_ERROR, f"unexpected {type(packet).__name__}")
            self._farewell = self._farewell or unexpected

    def _pause_if_full(self) -> None:
        """Not every broker honours the receive-maximum (rumqttd does not); TCP is honoured by all.

        Never during the handshake, whose answers would then not be read.
        """
        if self._inbox.is_full and not self._paused and not self._handshaking and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _ping_later(self, interval_s: int) -> None:
        if interval_s > 0 and self.reason is None:
            self._ping_due_at = self._loop.time() + interval_s / 2
            self._ping = self._loop.call_later(interval_s / 2, self._keep_alive, interval_s)

    def _keep_alive(self, interval_s: int) -> None:
        now = self._loop.time()
        # By how much we are late, we stood still (a paused machine, a busy loop): what came meanwhile is not read yet.
        self._heard_at = min(now, self._heard_at + max(0.0, now - self._ping_due_at))
        silent_s = now - self._heard_at
        if silent_s > interval_s * _SILENCE_INTERVALS_MAX and not self._paused:
            self.end(Disconnected(DisconnectReason.PEER_SILENT, f"nothing heard for {silent_s:.1f} s"))
            return
        self.write(_PINGREQ)
        self._ping_later(interval_s)

    def _hang_up(self, reason: DisconnectReason) -> None:
        if self._transport is None:
            return
        if reason is not DisconnectReason.CLOSED:
            self._transport.abort()  # a peer that is silent or talks nonsense would never let us flush
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()  # to see the server hang up


def _said_goodbye(packet: mqtt5.DisconnectPacket) -> Disconnected:
    if packet.reason_code is mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
        return Disconnected(DisconnectReason.SESSION_TAKEN_OVER)
    return Disconnected(DisconnectReason.SERVER_DISCONNECTED, packet.reason_code.name.lower())
