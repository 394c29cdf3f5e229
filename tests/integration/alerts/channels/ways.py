"""A channel of each kind, its far end, and what that can do to it: one face for all of them, for the conformance suite."""

from __future__ import annotations

import asyncio
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, ClassVar, Self

import mqtt5
from aiohttp import web
from pydantic import SecretStr

from contracts.ids import AlarmId, HubId, NotificationId
from contracts.vocabulary import Priority
from services.alerts.channels import Channel, Parcel
from services.alerts.channels.email import EmailChannel, MailServer
from services.alerts.channels.mqtt import MqttChannel
from services.alerts.channels.names import Names
from services.alerts.channels.sms import NotifyAccount, SmsChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.domain.delivery import DeliveryKind, Outcome, Verdict
from services.chassis.mqtt import Backoff, MqttUrl, Publisher
from services.chassis.secrets import Vault
from services.chassis.settings import Settings
from tests.blackbox.box import PRIVATE
from tests.blackbox.hub import MqttHub
from tests.support.mail import MailServer as TestMailServer
from tests.support.mqtt import Peer, scripted_server
from tests.support.notify import NotifyServer
from tests.support.notify import error as notify_error
from tests.support.servers import Broker, free_port, until

VAULT = Vault("a passphrase for tests")
LOOPBACK = (ip_network("127.0.0.0/8"),)
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PASSWORD = "correct-horse-battery"
ADDRESS = "warden.mackay@council.example"
NUMBER = "+447900900123"
SENDER = "Telecare <telecare@digital-office.example>"
HUNG_AFTER_S = 0.4


def body(notification_id: str = "msg_1", **data: object) -> str:
    """An alarm's notification, with a free text that no person must be sent."""
    event = {"kind": "fall", "text": PRIVATE, "location": "bathroom"}
    alarm = {
        "alarm_id": "0b5f1c0e-7f0a-4e7e-9d5e-1f6f1f0f2a11",
        "device_id": "TC-000123",
        "council_id": "glasgow-city",
        "installation_ref": "GLA-4711",
        "priority": 1,
        "kind": "fall",
        "status": "activated",
        "location": "bathroom",
        "test": False,
        "received_at": "2026-11-22T03:14:05Z",
        "event": event,
    }
    told = {"id": notification_id, "type": "alarm.raised", "timestamp": "2026-11-22T03:14:06Z", "data": alarm | data}
    return json.dumps(told)


def parcel(kind: DeliveryKind, **fields: Any) -> Parcel:
    """A leased delivery to a hub's channel, of an alarm of priority 1."""
    values: dict[str, Any] = {
        "delivery_id": 1,
        "alarm_id": AlarmId("0b5f1c0e-7f0a-4e7e-9d5e-1f6f1f0f2a11"),
        "kind": kind,
        "channel": "6a1f3c7e-0000-4000-8000-000000000001",
        "hub_id": HubId("clyde-arc"),
        "responder_id": None,
        "topic": None,
        "priority": Priority.LIFE,
        "attempts": 1,
        "lease_token": uuid.uuid4(),
        "body": body(),
        "notification_id": NotificationId("msg_1"),
        "type": "alarm.raised",
        "url": None,
        "secret_encrypted": None,
        "previous_secret_encrypted": None,
        "address_encrypted": None,
        "reference": None,
        "expires_at": None,
        "usable": True,
        "received_at": None,
    }
    return Parcel(**(values | fields))


def sealed(text: str) -> bytes:
    return VAULT.encrypt(text.encode())


class Way(ABC):
    """`async with` it. Whatever was said of an attempt is in `outcomes`; `secrets` must be in none of them, nor in a log."""

    kind: ClassVar[DeliveryKind]
    sent: ClassVar[Verdict]
    """When it went well: whose far end says so later only awaits that."""
    secrets: tuple[str, ...] = (PRIVATE,)

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.channel: Channel
        self.parcel: Parcel
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        self.channel = await self.towards(self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await self.stop()

    async def send(self, **changes: Any) -> Outcome:
        """One attempt, as the dispatcher makes it."""
        outcome = await self.channel.send(replace(self.parcel, **changes), datetime.now(UTC))
        self.outcomes.append(outcome)
        return outcome

    async def impatient(self) -> None:
        """The channel gives up after 0.4 s, not 10."""
        self.channel = await self.towards(self.port, timeout_s=HUNG_AFTER_S)

    @property
    @abstractmethod
    def port(self) -> int: ...

    @abstractmethod
    async def towards(self, port: int, *, timeout_s: float = 10.0) -> Channel:
        """A channel to whatever listens there."""

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    @abstractmethod
    def arrived(self) -> list[str]:
        """By what the far end knows each notification, in the order in which it came."""

    @abstractmethod
    async def fail_for_now(self) -> None:
        """The next attempt is refused in a way that passes."""

    @abstractmethod
    async def refuse_for_good(self) -> None:
        """The next attempt is refused, and the same again would be."""

    @abstractmethod
    async def hold(self) -> tuple[asyncio.Event, asyncio.Event]:
        """The next attempt is answered only when the second event is set; the first says that it has come."""

    async def back(self) -> None:
        """After `start`: return when the channel can know of it. Of those that connect anew each time: at once."""
        await asyncio.sleep(0)


class WebhookWay(Way):
    kind = "webhook"
    sent = "delivered"
    secrets = (PRIVATE, WEBHOOK_SECRET, WEBHOOK_SECRET.removeprefix("whsec_"))

    def __init__(self) -> None:
        super().__init__()
        self._port = free_port()
        self._ids: list[str] = []
        self._answers: list[web.StreamResponse | tuple[asyncio.Event, asyncio.Event]] = []
        self._runner: web.AppRunner | None = None
        self.parcel = parcel(
            "webhook", url=f"http://127.0.0.1:{self._port}/alarms", secret_encrypted=sealed(WEBHOOK_SECRET)
        )

    @property
    def port(self) -> int:
        return self._port

    async def towards(self, port: int, *, timeout_s: float = 10.0) -> Channel:
        channel = WebhookChannel(VAULT, LOOPBACK, Names(), timeout_s=timeout_s)
        self._stack.push_async_callback(channel.close)
        self.parcel = replace(self.parcel, url=f"http://127.0.0.1:{port}/alarms")
        return channel

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/alarms", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def arrived(self) -> list[str]:
        return self._ids

    async def fail_for_now(self) -> None:
        self._answers.append(web.Response(status=503, text=PRIVATE))

    async def refuse_for_good(self) -> None:
        self._answers.append(web.Response(status=410, text=PRIVATE))

    async def hold(self) -> tuple[asyncio.Event, asyncio.Event]:
        events = (asyncio.Event(), asyncio.Event())
        self._answers.append(events)
        return events

    async def _take(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self._ids.append(request.headers["webhook-id"])
        answer = self._answers.pop(0) if self._answers else web.Response(status=204)
        if isinstance(answer, tuple):
            answer[0].set()
            await answer[1].wait()
            return web.Response(status=204)
        return answer


class MqttWay(Way):
    kind = "mqtt"
    sent = "awaiting"

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._hub: MqttHub | None = None
        self._publisher: Publisher | None = None
        self.parcel = parcel("mqtt")

    @property
    def port(self) -> int:
        return self._broker.port

    async def towards(self, port: int, *, timeout_s: float = 10.0) -> Channel:
        self._publisher = await self._publishing(MqttUrl("127.0.0.1", port))
        if port == self._broker.port:
            await self._publisher.wait_connected()
        return MqttChannel(self._publisher, timeout_s)

    async def _publishing(self, url: MqttUrl) -> Publisher:
        publisher = Publisher(url, f"test-{uuid.uuid4().hex}", backoff=Backoff(first_s=0.05, max_s=0.2))
        task = asyncio.create_task(publisher.run())

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)
        return publisher

    async def start(self) -> None:
        if not self._broker.running:
            await asyncio.to_thread(self._broker.start)
        if self._hub is None:
            self._hub = MqttHub(self._broker, "clyde-arc")
            await self._hub.connect()

    async def stop(self) -> None:
        if self._publisher is not None:
            publisher = self._publisher
            await asyncio.to_thread(self._broker.kill)
            await until(lambda: not publisher.connected)

    async def __aexit__(self, *exc: object) -> None:
        if self._hub is not None:
            self._hub.close()
        await self._stack.aclose()

    async def back(self) -> None:
        assert self._publisher is not None
        await self._publisher.wait_connected()

    def arrived(self) -> list[str]:
        assert self._hub is not None
        return [each["id"] for each in self._hub.notifications("TC-000123")]

    async def fail_for_now(self) -> None:
        """The connection breaks between PUBLISH and PUBACK."""

        async def script(peer: Peer) -> None:
            await peer.welcome()
            await peer.expect(mqtt5.PublishPacket)

        await self._scripted(script)

    async def refuse_for_good(self) -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            message = await peer.expect(mqtt5.PublishPacket)
            await peer.acknowledge(message, mqtt5.PubAckReasonCode.NOT_AUTHORIZED)
            await peer.hung_up()

        await self._scripted(script)

    async def hold(self) -> tuple[asyncio.Event, asyncio.Event]:
        reached, release = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome()
            message = await peer.expect(mqtt5.PublishPacket)
            reached.set()
            await release.wait()
            await peer.acknowledge(message)
            await peer.hung_up()

        timeout_s = self.channel.timeout_s if isinstance(self.channel, MqttChannel) else 10.0
        await self._scripted(script, timeout_s)
        return reached, release

    async def _scripted(self, script: Callable[[Peer], Any], timeout_s: float = 10.0) -> None:
        url = await self._stack.enter_async_context(scripted_server(script))
        publisher = await self._publishing(url)
        await publisher.wait_connected()
        self.channel = MqttChannel(publisher, timeout_s)


class EmailWay(Way):
    kind = "email"
    sent = "delivered"
    secrets = (PRIVATE, PASSWORD, ADDRESS, "mackay")

    def __init__(self) -> None:
        super().__init__()
        self.server = TestMailServer(users={"telecare": PASSWORD})
        self.parcel = parcel("email", address_encrypted=sealed(ADDRESS))

    @property
    def port(self) -> int:
        return self.server.port

    async def towards(self, port: int, *, timeout_s: float = 10.0) -> EmailChannel:
        return email_channel(f"smtp://telecare:{PASSWORD}@127.0.0.1:{port}", timeout_s=timeout_s)

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    def arrived(self) -> list[str]:
        return [each.id for each in self.server.mails]

    async def fail_for_now(self) -> None:
        self.server.plan("RCPT", f"451 4.7.1 <{ADDRESS}>: greylisted")

    async def refuse_for_good(self) -> None:
        self.server.plan("RCPT", f"550 5.1.1 <{ADDRESS}>: no such user")

    async def hold(self) -> tuple[asyncio.Event, asyncio.Event]:
        release = asyncio.Event()
        self.server.plan("DATA", release)
        return self.server.reached, release


class SmsWay(Way):
    kind = "sms"
    sent = "awaiting"

    def __init__(self) -> None:
        super().__init__()
        self.server = NotifyServer()
        self.secrets = (PRIVATE, NUMBER, NUMBER.removeprefix("+44"), self.server.secret)
        self.parcel = parcel("sms", address_encrypted=sealed(NUMBER))

    @property
    def port(self) -> int:
        return self.server.port

    async def towards(self, port: int, *, timeout_s: float = 10.0) -> SmsChannel:
        channel = sms_channel(self.server, url=f"http://127.0.0.1:{port}", timeout_s=timeout_s)
        self._stack.push_async_callback(channel.close)
        return channel

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    def arrived(self) -> list[str]:
        return [str(each.reference) for each in self.server.texts]

    async def fail_for_now(self) -> None:
        self.server.plan(notify_error(429, "RateLimitError", f"Exceeded rate limit {NUMBER}"))

    async def refuse_for_good(self) -> None:
        self.server.plan(notify_error(400, "ValidationError", f"phone_number {NUMBER} Not enough digits"))

    async def hold(self) -> tuple[asyncio.Event, asyncio.Event]:
        release = asyncio.Event()
        self.server.plan(release)
        return self.server.reached, release


class HostClock:
    """The host's own."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def settings(**changes: Any) -> Settings:
    return Settings(database_url=SecretStr("x"), mqtt_url=SecretStr("x"), **changes)


def email_channel(url: str, names: Names | None = None, **options: Any) -> EmailChannel:
    """As the service makes it, from settings."""
    server = MailServer.from_settings(settings(smtp_url=SecretStr(url), email_from=SENDER))
    return EmailChannel(server, VAULT, names or Names(), **options)


def sms_channel(server: NotifyServer, url: str | None = None, **options: Any) -> SmsChannel:
    """As the service makes it, from settings."""
    account = NotifyAccount.from_settings(
        settings(
            notify_api_key=SecretStr(server.api_key),
            notify_url=url or server.url,
            notify_template_id=server.template_id,
        )
    )
    return SmsChannel(account, VAULT, Names(), HostClock(), **options)


@asynccontextmanager
async def raw_server(says: bytes, *, then_closes: bool = True) -> AsyncIterator[int]:
    """A port on which every connection is told `says`, whatever it sent; then it is closed, or told more of the same."""
    talking: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            writer.write(says)
            await writer.drain()
            while not then_closes:
                writer.write(says)
                await writer.drain()
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client hung up, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    await server.wait_closed()
