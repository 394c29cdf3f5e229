"""The connection of one box. On the chassis' codec and not on paho: a host that is 5,000 boxes must also run what they test."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import mqtt5

from contracts.topics import DeviceLane, device_topic
from services.chassis.mqtt import ConnectFailed, ConnectionRefused, MqttError, MqttUrl, SubscriptionRefused
from services.chassis.mqtt.connection import Connection, Reply, Request
from services.chassis.mqtt.decoder import PACKET_BYTES_MAX
from services.chassis.mqtt.inbox import Inbox, Message
from services.simulator.device import Device
from services.simulator.messages import Outgoing

KEEP_ALIVE_S: Final = 30
SESSION_EXPIRY_S: Final = 7 * 24 * 3600  # what is for a box, or a hub, that is away waits for a week
TIMEOUT_S: Final = 5.0
_RECEIVE_MAX: Final = 20  # a box has little memory
_HEARS: Final[tuple[DeviceLane, ...]] = ("receipt", "command")
_TAKEN: Final = (mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)


class Line:
    """Client id = device_id, persistent session, will (contract, "What a device promises"). See `open_line`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._inbox = Inbox(messages_max=_RECEIVE_MAX, bytes_max=PACKET_BYTES_MAX)
        self._connection = Connection(self._inbox)
        self._packet_ids = itertools.cycle(range(1, 1 << 16))

    async def open(self, url: MqttUrl, now: datetime) -> None:
        """Connect, and ask for receipts and commands. Raises MqttError."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._connection.open(url)
        except OSError as error:  # a time-out is one, and has no number
            why = os.strerror(error.errno) if error.errno else str(error) or "no answer in time"
            raise ConnectFailed(f"{url.host}:{url.port}: {why}") from None
        welcome = await self._ask(self._connect(url, now), mqtt5.ConnAckPacket)
        if welcome.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
            raise ConnectionRefused(welcome.reason_code.name.lower().replace("_", " "))
        self._connection.start(KEEP_ALIVE_S)
        await self._listen(is_kept=welcome.session_present)

    async def say(self, message: Outgoing) -> bool:
        """Publish, and wait for the PUBACK; whether the broker took it. Raises MqttError."""
        packet = mqtt5.PublishPacket(
            self._topic(message.lane),
            message.payload,
            qos=mqtt5.QoS(message.qos),
            retain=message.retain,
            packet_id=next(self._packet_ids) if message.qos else None,
            message_expiry_interval=message.expiry_s,
        )
        if message.qos == 0:
            self._connection.write(packet.write())
            return True
        return (await self._ask(packet, mqtt5.PubAckPacket)).reason_code in _TAKEN

    async def messages(self) -> AsyncIterator[Message]:
        """What comes, each acknowledged when the next is asked for. Raises MqttError when the connection is gone."""
        while True:
            for message in self._inbox.take(_RECEIVE_MAX):
                yield message
                if message.packet_id is not None:
                    self._connection.write(mqtt5.PubAckPacket(message.packet_id).write())
            self._connection.resume()
            if self._connection.reason is not None:
                raise self._connection.reason
            await self._inbox.until(1)

    async def close(self) -> None:
        """Say DISCONNECT, and hang up."""
        await self._connection.close()

    def cut(self) -> None:
        """Cut the wire. There is no DISCONNECT, so the broker publishes the will."""
        self._connection.abort()

    async def _listen(self, *, is_kept: bool) -> None:
        """Subscribe: also in a session that was kept, for a broker that crashed may know it without its subscriptions.

        But there nobody waits for the answer: rumqttd gives it only when some of many messages that have waited are acknowledged.
        """
        topics = [self._topic(lane) for lane in _HEARS]
        filters = [mqtt5.TopicFilter(topic, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for topic in topics]
        packet = mqtt5.SubscribePacket(next(self._packet_ids), filters)
        if is_kept:
            answer = self._connection.request(packet, mqtt5.SubAckPacket)
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            return
        granted = await self._ask(packet, mqtt5.SubAckPacket)
        for topic, code in zip(topics, granted.reason_codes, strict=True):
            if code is not mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE:
                raise SubscriptionRefused(topic, code.name.lower().replace("_", " "))

    async def _ask(self, packet: Request, reply: type[Reply]) -> Reply:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._connection.request(packet, reply)
        except TimeoutError:
            raise MqttError(f"no {reply.__name__} within {TIMEOUT_S:g} s") from None

    def _connect(self, url: MqttUrl, now: datetime) -> mqtt5.ConnectPacket:
        will = self._device.will(now)
        return mqtt5.ConnectPacket(
            self._device.identity.device_id,
            username=url.username,
            password=url.password.encode() if url.password is not None else None,
            clean_start=False,
            will=mqtt5.Will(
                self._topic(will.lane), payload=will.payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=will.retain
            ),
            keep_alive=KEEP_ALIVE_S,
            session_expiry_interval=SESSION_EXPIRY_S,
            receive_max=_RECEIVE_MAX,
        )

    def _topic(self, lane: DeviceLane) -> str:
        return device_topic(self._device.identity.council_id, self._device.identity.device_id, lane)


@asynccontextmanager
async def open_line(url: MqttUrl, device: Device, now: datetime) -> AsyncIterator[Line]:
    """A line that stands when the block begins, and is closed after it. Raises MqttError, and leaves no socket then."""
    line = Line(device)
    try:
        await line.open(url, now)
    except BaseException:
        line.cut()
        raise
    try:
        yield line
    finally:
        await line.close()
