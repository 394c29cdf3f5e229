"""The connection of one box: aiomqtt, with the two things a box does that a well-behaved client does not."""

import asyncio
import contextlib
import socket
import ssl
from datetime import datetime
from typing import Final, Self, cast

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.topics import device_topic
from services.chassis.mqtt import MqttUrl
from services.simulator.device import Device
from services.simulator.messages import Outgoing

KEEP_ALIVE_S: Final = 30
SESSION_EXPIRY_S: Final = 7 * 24 * 3600  # what is for a box, or a hub, that is away waits for a week
TIMEOUT_S: Final = 5.0


class Line(aiomqtt.Client):
    """Client id = device_id, persistent session, will (contract, "What a device promises")."""

    def __init__(self, url: MqttUrl, device: Device, now: datetime) -> None:
        identity = device.identity
        will = device.will(now)
        super().__init__(
            url.host,
            url.port,
            username=url.username,
            password=url.password,
            identifier=identity.device_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=KEEP_ALIVE_S,
            timeout=TIMEOUT_S,
            will=aiomqtt.Will(self._topic_of(device, will), will.payload, qos=1, retain=True),
            properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY_S),
            tls_context=ssl.create_default_context() if url.tls else None,
        )
        self._device = device

    async def __aenter__(self) -> Self:
        """As aiomqtt's, but a connect that fails half-way leaves no socket and no task behind."""
        try:
            return await super().__aenter__()
        except BaseException:
            self.cut()
            raise

    async def listen(self) -> None:
        """Ask for receipts and commands. Raises MqttError."""
        device = self._device.identity
        topics = [device_topic(device.council_id, device.device_id, lane) for lane in ("receipt", "command")]
        await self.subscribe([(topic, 1) for topic in topics])

    async def say(self, message: Outgoing) -> None:
        """Publish, and wait for the PUBACK. Raises MqttError."""
        expiry = message.expiry_s
        expires = None if expiry is None else properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
        await self.publish(self._topic_of(self._device, message), message.payload, message.qos, message.retain, expires)

    def cut(self) -> None:
        """Cut the wire. There is no DISCONNECT, so the broker publishes the will; our end notices as for any lost connection."""
        wire = cast("socket.socket | None", self._client.socket())
        if wire is not None:
            with contextlib.suppress(OSError):  # the other end was quicker
                wire.shutdown(socket.SHUT_RDWR)

    async def gone(self) -> None:
        """Return once our end has noticed, or after the time-out."""
        await asyncio.wait([self._disconnected], timeout=TIMEOUT_S)

    @staticmethod
    def _topic_of(device: Device, message: Outgoing) -> str:
        return device_topic(device.identity.council_id, device.identity.device_id, message.lane)


def properties(packet: int, **values: int) -> Properties:
    """MQTT 5's, by their names in paho."""
    made = Properties(packet)  # type: ignore[no-untyped-call]  # paho's is not annotated
    for name, value in values.items():
        setattr(made, name, value)
    return made
