"""An MQTT 5 session that is acknowledged when *we* say so: after the commit, in the order of arrival.

Every other client acknowledges before one can store, or costs several times the CPU (docs/decisions). The surface is
close to aiomqtt 3's, which may replace this once it is released.
"""

import asyncio
import functools
import itertools
import operator
import struct
from collections import deque
from collections.abc import Sequence
from typing import Self

import mqtt5

from services.chassis.mqtt.connection import Connection
from services.chassis.mqtt.errors import (
    ConnectFailed,
    ConnectionRefused,
    Disconnected,
    DisconnectReason,
    SubscriptionRefused,
)
from services.chassis.mqtt.inbox import Inbox, Message
from services.chassis.mqtt.options import SUBSCRIBE_PACKET_ID, Filter, SessionOptions, connect_packet, subscribe_packet
from services.chassis.mqtt.url import MqttUrl

_PACKET_IDS = range(SUBSCRIBE_PACKET_ID + 1, 1 << 16)
_PUBACK = 0x4002_0000  # type 4, two bytes remaining, and room for the packet id: reason "success" may be left out


class Session:
    """One network connection of a session that outlives it. Make a new one for each connection.

    Packet ids belong to the connection they came on, so only this object can acknowledge what this object delivered,
    and once it is disconnected nobody can: all of it comes again.
    """

    def __init__(self, connection: Connection, inbox: Inbox, *, session_present: bool) -> None:
        self._connection = connection
        self._inbox = inbox
        self._unacknowledged: deque[Message] = deque()
        self._most_outstanding = 0
        self._packet_ids = itertools.cycle(_PACKET_IDS)
        self.session_present = session_present
        """False: the broker kept nothing for us, which after a first connect is a certain gap."""
        self.disconnected = connection.gone

    @classmethod
    async def connect(cls, url: MqttUrl, options: SessionOptions) -> Self:
        """Connect and subscribe to all filters. On any error the connection is dropped, and the session kept.

        Raises ConnectFailed, ConnectionRefused, SubscriptionRefused, Disconnected. Where the session was kept, a
        refused subscription ends the connection later, with DisconnectReason.SUBSCRIPTION_REFUSED.
        """
        inbox = Inbox(options.receive_max, options.buffer_bytes_max)
        connection = Connection(inbox)
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await connection.open(url)
                welcome = await _connect(connection, url, options)
                await _subscribe(connection, options, session_present=welcome.session_present)
        except BaseException as error:  # cancellation too: no half-open connection stays behind
            connection.abort()
            if isinstance(error, OSError):  # which TimeoutError is
                raise ConnectFailed(f"{url}: {str(error) or 'no answer in time'}") from error
            raise
        connection.start(_keep_alive_s(welcome, options))
        return cls(connection, inbox, session_present=welcome.session_present)

    @property
    def reason(self) -> Disconnected | None:
        """Why the connection is gone, or None while it stands."""
        return self._connection.reason

    @property
    def unacknowledged(self) -> int:
        """Messages handed out by `batch` and not yet given to `puback`."""
        return len(self._unacknowledged)

    @property
    def buffered(self) -> int:
        """Messages that have arrived and wait for `batch`."""
        return len(self._inbox)

    def most_outstanding(self) -> int:
        """The most messages that were here un-acknowledged at a time, since this was last asked.

        A broker that has more for us than our receive-maximum keeps us at it. (rumqttd does not: it sends a hundred at a time.)
        """
        most, self._most_outstanding = self._most_outstanding, 0
        return most

    async def batch(self, messages_max: int, linger_s: float = 0) -> list[Message]:
        """Wait for a message; then up to `linger_s` for more of them, unless `messages_max` are here.

        Raises Disconnected once the connection is gone. What it had delivered at QoS 1 and nobody had taken comes
        again; what came at QoS 0 does not, and is still handed out first. One task may wait at a time.
        """
        await self._arrival(messages_max, linger_s)
        self._most_outstanding = max(self._most_outstanding, len(self._inbox) + len(self._unacknowledged))
        messages = self._inbox.take(messages_max)
        if not messages and self.reason is not None:
            raise Disconnected(self.reason.reason, self.reason.detail)
        self._unacknowledged.extend(message for message in messages if message.packet_id is not None)
        self._connection.resume()
        return messages

    def puback(self, messages: Sequence[Message]) -> None:
        """Acknowledge: they are stored. The oldest un-acknowledged first and none left out; QoS 0 is passed over.

        Sends nothing once the connection is gone. Raises ValueError for messages of another session or out of order:
        a bug of the caller's, found before a byte is sent.
        """
        owed = [message for message in messages if message.packet_id is not None]
        oldest = itertools.islice(self._unacknowledged, len(owed))
        if len(owed) > len(self._unacknowledged) or not all(map(operator.is_, owed, oldest)):
            raise ValueError("PUBACKs go out in the order of arrival, on the connection that delivered the messages")
        for _ in owed:
            self._unacknowledged.popleft()
        self._connection.write(struct.pack(f">{len(owed)}I", *[_PUBACK | (m.packet_id or 0) for m in owed]))

    def unrepeatable(self) -> list[Message]:
        """What has come at QoS 0 and nobody has taken: for whoever gives the session up, for it comes never again.

        The rest is left out of `batch` from now on, and comes again.
        """
        self._inbox.keep_unrepeatable()
        return self._inbox.take(len(self._inbox))

    async def subscribe(self, filters: Sequence[Filter]) -> Sequence[SubscriptionRefused]:
        """Subscribe to these, too; those that the broker refuses, when it has answered. The others' messages come from then on.

        It may answer only when `batch` has taken what it had before. Raises Disconnected.
        """
        packet = subscribe_packet(filters, next(self._packet_ids))
        return _refused(filters, await self._connection.request(packet, mqtt5.SubAckPacket))

    async def unsubscribe(self, patterns: Sequence[str]) -> None:
        """No messages of these come from then on, but those that the broker had queued. Raises Disconnected."""
        packet = mqtt5.UnsubscribePacket(next(self._packet_ids), list(patterns))
        await self._connection.request(packet, mqtt5.UnsubAckPacket)

    async def close(self) -> None:
        """Disconnect with a word; the broker keeps the session until its expiry. Safe to call twice."""
        await self._connection.close()

    def abort(self) -> None:
        """Drop the connection without a word, to have everything un-acknowledged delivered again."""
        self._connection.abort()

    async def _arrival(self, messages_max: int, linger_s: float) -> None:
        if not self._inbox and self.reason is None:
            await self._inbox.until(1)
        if linger_s > 0 and len(self._inbox) < messages_max and self.reason is None:
            try:
                async with asyncio.timeout(linger_s):
                    await self._inbox.until(messages_max)
            except TimeoutError:
                pass  # what is here is the batch


async def _connect(connection: Connection, url: MqttUrl, options: SessionOptions) -> mqtt5.ConnAckPacket:
    welcome = await connection.request(connect_packet(url, options), mqtt5.ConnAckPacket)
    if welcome.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
        raise ConnectionRefused(welcome.reason_code.name.lower())
    return welcome


async def _subscribe(connection: Connection, options: SessionOptions, *, session_present: bool) -> None:
    """A session that the broker kept is subscribed already, so its SUBACK is judged when it comes.

    Waiting would be a deadlock: rumqttd sends 100 messages of the backlog first, and then nothing, not even the
    SUBACK, until some are acknowledged.
    """
    answer = connection.request(subscribe_packet(options.filters), mqtt5.SubAckPacket)
    if session_present:
        answer.add_done_callback(functools.partial(_judge_late, connection, options))
    else:
        _judge(options, await answer)


def _judge(options: SessionOptions, answer: mqtt5.SubAckPacket) -> None:
    for refusal in _refused(options.filters, answer):
        raise refusal


def _refused(filters: Sequence[Filter], answer: mqtt5.SubAckPacket) -> Sequence[SubscriptionRefused]:
    if len(answer.reason_codes) != len(filters):
        raise Disconnected(DisconnectReason.PROTOCOL_ERROR, "the SUBACK does not answer for each filter")
    return [
        SubscriptionRefused(wanted.pattern, granted.name.lower())
        for wanted, granted in zip(filters, answer.reason_codes, strict=True)
        if granted != wanted.qos  # a lower QoS than asked for is a refusal too: it would lose messages silently
    ]


def _judge_late(connection: Connection, options: SessionOptions, answer: asyncio.Future[mqtt5.SubAckPacket]) -> None:
    if answer.cancelled() or answer.exception() is not None:
        return
    try:
        _judge(options, answer.result())
    except Disconnected as reason:
        connection.end(reason)
    except SubscriptionRefused as refusal:
        connection.end(Disconnected(DisconnectReason.SUBSCRIPTION_REFUSED, str(refusal)))


def _keep_alive_s(welcome: mqtt5.ConnAckPacket, options: SessionOptions) -> int:
    """The broker's, if it names one (MQTT 5, 3.2.2.3.14)."""
    return options.keep_alive_s if welcome.server_keep_alive is None else welcome.server_keep_alive
