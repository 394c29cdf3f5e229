"""The long-lived publisher, on aiomqtt: receipts, commands, notifications, all that may be sent again."""

import asyncio
import contextlib
import math
import ssl
from collections.abc import Iterator
from typing import Any, Never

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from services.chassis.mqtt.backoff import Backoff
from services.chassis.mqtt.errors import PublishFailed, PublishRefused
from services.chassis.mqtt.tls import tls_context
from services.chassis.mqtt.url import MqttUrl

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# MQTT 5, 3.4.2.1: reason codes.
_PUBACK_UNHEARD = 0x10  # accepted, and there are no matching subscribers
_PUBACK_FAILURE = 0x80  # from here on they are refusals
# All that rumqttd, the embedded broker, says of itself at CONNACK. One message with a property of MQTT 5 for a subscriber of MQTT
# 3.1.1 panics it ("packets with Properties not possible in v4"), and nobody gets in on its port of 3.1.1 until it is started again.
_RUMQTTD = {"TopicAliasMaximum": 4096}


class Publisher:
    """Run `run()` as a task; `publish` from any other. Nothing is queued while there is no connection: it fails.

    `client_id` must be no one else's: the broker cuts off the older of two. It keeps no session, and subscribes to
    nothing.
    """

    def __init__(
        self,
        url: MqttUrl,
        client_id: str,
        *,
        in_flight_max: int = 256,
        keep_alive_s: int = 15,
        backoff: Backoff | None = None,
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._in_flight_max = in_flight_max
        self._keep_alive_s = keep_alive_s
        self._backoff = backoff or Backoff()
        self._slots = asyncio.Semaphore(in_flight_max)
        self._waiting: set[asyncio.Timeout] = set()
        self._client: _Client | None = None
        self._online = asyncio.Event()
        self._reported: str | None = None

    @property
    def connected(self) -> bool:
        """As far as we know."""
        return self._online.is_set()

    async def wait_connected(self) -> None:
        """Return at once if connected, else at the next connection."""
        await self._online.wait()

    async def run(self) -> Never:
        """Connect, and again with back-off whenever the connection ends. Ends only by cancellation."""
        loop = asyncio.get_running_loop()
        while True:
            started_at = loop.time()
            with self._reporting():
                await self._connect_once()
            if loop.time() - started_at > self._backoff.max_s:  # it had stood: two of one client id cut each other off
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
        timeout_s: float = 10.0,
    ) -> bool:
        """Publish, and return once the broker has said PUBACK. With `expiry_s` the broker may drop it after that.

        The embedded broker is not told of an expiry, for it can't pass that on to a client of MQTT 3.1.1.

        False when the broker said that nobody has subscribed to it. Not every broker says so (Mosquitto does, rumqttd does
        not), and a session that is subscribed may be away: True proves no more than that nobody denied it.

        Raises PublishFailed when not connected, when the connection ends meanwhile, or after `timeout_s` (waiting for
        a slot included); PublishRefused when the PUBACK is a refusal. ValueError for a topic that is none.
        """
        client = self._client
        if client is None:
            raise PublishFailed(f"not connected to {self._url}")
        deadline = asyncio.timeout(timeout_s)
        self._waiting.add(deadline)
        try:
            async with deadline, self._slots:
                properties = None if client.at_rumqttd else _expiry(expiry_s)
                await client.publish(topic, payload, qos, retain, properties, timeout=math.inf)
        except _Unheard:
            return False
        except TimeoutError:
            lost = self._client is not client
            raise PublishFailed("connection lost" if lost else f"no PUBACK within {timeout_s:g} s") from None
        except aiomqtt.MqttError as error:
            raise PublishFailed(str(error)) from error
        finally:
            self._waiting.discard(deadline)
        return True

    async def _connect_once(self) -> None:
        async with self._new_client(await tls_context(self._url)) as client:
            self._client = client
            self._online.set()
            self._report(None)
            try:
                async for _ in client.messages:  # there are none: it ends, raising, with the connection
                    pass
            finally:
                self._client = None
                self._online.clear()
                self._fail_waiting()

    def _new_client(self, tls: ssl.SSLContext | None) -> "_Client":
        url = self._url
        client = _Client(
            url.host,
            url.port,
            username=url.username,
            password=url.password,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=self._keep_alive_s,
            timeout=5,
            max_inflight_messages=self._in_flight_max,
            tls_context=tls,
        )
        client.pending_calls_threshold = self._in_flight_max  # it would warn of more than ten
        return client

    def _fail_waiting(self) -> None:
        """End the waits for a PUBACK that cannot come any more; aiomqtt would let them run into their time-out."""
        now = asyncio.get_running_loop().time()
        for deadline in self._waiting:
            if not deadline.expired():
                deadline.reschedule(now)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except aiomqtt.MqttError as error:
            self._report(str(error.__cause__ or error))

    def _report(self, trouble: str | None) -> None:
        """A line per change, not per retry."""
        if trouble is None:
            log.info("mqtt.publisher.connected", broker=str(self._url), client_id=self._client_id)
        elif self._reported is None:
            log.warning("mqtt.publisher.disconnected", broker=str(self._url), client_id=self._client_id, reason=trouble)
        self._reported = trouble


class _Unheard(Exception):
    """The broker took it, and knows of nobody who has subscribed to it."""


class _Client(aiomqtt.Client):
    """Raises PublishRefused for a PUBACK that refuses, and _Unheard; aiomqtt 2.5 takes both for success."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._answers: dict[int, Exception] = {}
        self.at_rumqttd = False

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.at_rumqttd = properties is not None and properties.json() == _RUMQTTD
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        """As aiomqtt's, which a turn of the loop later adds the writer for a number that by then is nobody's, or another's."""

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - the connection is broken: whoever waits for it is told
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        if mid in self._pending_publishes:
            if reason_code.value >= _PUBACK_FAILURE:
                self._answers[mid] = PublishRefused(str(reason_code))
            elif reason_code.value == _PUBACK_UNHEARD:
                self._answers[mid] = _Unheard()
        super()._on_publish(client, userdata, mid, reason_code, properties)

    @contextlib.contextmanager
    def _pending_call(self, mid: int, value: Any, pending_dict: dict[int, Any]) -> Iterator[None]:
        with super()._pending_call(mid, value, pending_dict):
            yield
        answer = self._answers.pop(mid, None)
        if answer is not None:
            raise answer


def _expiry(expiry_s: int | None) -> Properties | None:
    if expiry_s is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho left it unannotated
    properties.MessageExpiryInterval = expiry_s
    return properties
