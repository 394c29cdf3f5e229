"""What every channel owes the dispatcher, whatever it sends by; and what a webhook owes everybody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.vocabulary import Priority
from services.alerts.channels import Channel, Parcel
from services.alerts.channels.mqtt import MqttChannel
from services.alerts.channels.receipt import ReceiptChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.domain.delivery import Verdict
from services.chassis.mqtt import MqttUrl, Publisher
from services.chassis.secrets import Vault
from services.chassis.settings import Settings
from tests.blackbox.box import Peer
from tests.blackbox.hub import Misbehaviour, MqttHub, Receiver
from tests.integration.alerts.world import MovedClock
from tests.support.servers import Broker, free_port, until

VAULT = Vault("a passphrase for tests")
LOOPBACK = (ip_network("127.0.0.0/8"),)


def parcel(kind: str, url: str | None = None, secret: str | None = None, **fields: Any) -> Parcel:
    values: dict[str, Any] = {
        "delivery_id": 1,
        "alarm_id": "a-1",
        "kind": kind,
        "channel": "c-1",
        "hub_id": None if kind == "receipt" else "clyde-arc",
        "topic": "telecare/v1/devices/glasgow-city/TC-1/receipt" if kind == "receipt" else None,
        "priority": Priority.LIFE,
        "attempts": 1,
        "lease_token": uuid.uuid4(),
        "body": '{"id":"msg_1","data":{"device_id":"TC-1"}}',
        "notification_id": "msg_1",
        "type": "alarm.raised",
        "url": url,
        "secret_encrypted": VAULT.encrypt(secret.encode()) if secret else None,
        "usable": True,
        "received_at": None,
    }
    return Parcel(**(values | fields))


@dataclass
class Way:
    """A channel, something to send by it, and its far end."""

    channel: Channel
    parcel: Parcel
    arrived: Callable[[], bool]
    cut: Callable[[], Awaitable[None]]
    sent: Verdict  # when it went well


@asynccontextmanager
async def by_webhook(_broker: Broker) -> AsyncIterator[Way]:
    receiver = Receiver()
    await receiver.start()
    known = receiver.channel("clyde-arc")
    channel = WebhookChannel(VAULT, LOOPBACK)
    sending = parcel("webhook", known["url"], known["secret"])
    yield Way(channel, sending, lambda: bool(receiver.deliveries), receiver.stop, "delivered")
    await channel.close()
    await receiver.stop()


@asynccontextmanager
async def publishing(broker: Broker) -> AsyncIterator[Publisher]:
    publisher = Publisher(MqttUrl.parse(broker.url), "test-alerts")
    task = asyncio.create_task(publisher.run())
    await publisher.wait_connected()
    yield publisher
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def by_mqtt(broker: Broker) -> AsyncIterator[Way]:
    hub = MqttHub(broker, "clyde-arc")
    await hub.connect()
    async with publishing(broker) as publisher:

        async def cut() -> None:
            broker.kill()
            await until(lambda: not publisher.connected)

        yield Way(MqttChannel(publisher), parcel("mqtt"), lambda: bool(hub.notifications("TC-1")), cut, "awaiting")
    hub.close()


@asynccontextmanager
async def by_receipt(broker: Broker) -> AsyncIterator[Way]:
    topic = "telecare/v1/devices/glasgow-city/TC-1/receipt"
    device = Peer(broker, "TC-1", topic)
    await device.connect()
    async with publishing(broker) as publisher:

        async def cut() -> None:
            broker.kill()
            await until(lambda: not publisher.connected)

        yield Way(ReceiptChannel(publisher), parcel("receipt"), lambda: bool(device.heard(topic)), cut, "delivered")
    device.close()


@pytest.fixture(params=[by_webhook, by_mqtt, by_receipt], ids=["webhook", "mqtt", "receipt"])
async def way(request: pytest.FixtureRequest, broker: Broker) -> AsyncIterator[Way]:
    async with request.param(broker) as made:
        yield made


async def test_what_is_sent_arrives(way: Way) -> None:
    outcome = await way.channel.send(way.parcel, MovedClock().now())
    assert outcome.verdict == way.sent
    await until(way.arrived)


async def test_a_far_end_that_is_away_may_come_back(way: Way) -> None:
    await way.cut()
    outcome = await way.channel.send(way.parcel, MovedClock().now())
    assert (outcome.verdict, bool(outcome.detail)) == ("transient", True)


# -- webhooks ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def webhook(*, allowed: Any = LOOPBACK, timeout_s: float = 10.0) -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel(VAULT, allowed, timeout_s=timeout_s)
    try:
        yield channel
    finally:
        await channel.close()


async def send(channel: WebhookChannel, receiver: Receiver, url: str | None = None) -> tuple[Verdict, str | None]:
    known = receiver.channel("clyde-arc")
    outcome = await channel.send(parcel("webhook", url or known["url"], known["secret"]), MovedClock().now())
    return outcome.verdict, outcome.detail


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_not_reached_by_whatever_name(receiver: Receiver, host: str) -> None:
    async with webhook(allowed=()) as channel:
        verdict, detail = await send(channel, receiver, f"http://{host}:{receiver.port}/hubs/clyde-arc")
    assert (verdict, "address not allowed" in (detail or "")) == ("permanent", True)
    assert receiver.deliveries == []


async def test_a_redirect_is_not_followed_and_is_final(receiver: Receiver) -> None:
    receiver.plan("TC-1", 307)
    async with webhook() as channel:
        assert await send(channel, receiver) == ("permanent", "HTTP 307")
    assert receiver.followed_redirects == 0


async def test_a_hub_that_hangs_is_given_up_in_time(receiver: Receiver) -> None:
    receiver.plan("TC-1", Misbehaviour.HANG)
    async with webhook(timeout_s=0.2) as channel:
        assert await send(channel, receiver) == ("transient", "no answer in time")


async def test_a_200_counts_whatever_drips_after_it(receiver: Receiver) -> None:
    receiver.plan("TC-1", Misbehaviour.DRIP)
    async with webhook(timeout_s=2) as channel:
        assert await send(channel, receiver) == ("delivered", None)


async def test_a_connection_that_the_hub_closed_meanwhile_costs_no_retry(receiver: Receiver) -> None:
    receiver.plan("TC-1", Misbehaviour.RESET)
    async with webhook() as channel:
        assert (await send(channel, receiver))[0] in {"delivered", "transient"}
        assert (await send(channel, receiver))[0] == "delivered"


@pytest.mark.parametrize("url", ["http://", "no url", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/"])
async def test_what_is_no_url_is_final(receiver: Receiver, url: str) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, url))[0] == "permanent"


async def test_a_name_that_resolves_to_nothing_may_yet(receiver: Receiver) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, "http://nowhere.invalid/"))[0] == "transient"


async def test_a_certificate_that_cannot_be_verified_is_not_trusted(receiver: Receiver) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, f"https://127.0.0.1:{receiver.port}/"))[0] == "transient"
    assert receiver.deliveries == []


async def test_a_secret_of_another_key_is_ours_to_mend(receiver: Receiver) -> None:
    known = receiver.channel("clyde-arc")
    foreign = Vault("quite another passphrase").encrypt(known["secret"].encode())
    async with webhook() as channel:
        outcome = await channel.send(parcel("webhook", known["url"], secret_encrypted=foreign), MovedClock().now())
    assert (outcome.verdict, known["secret"] in repr(outcome)) == ("transient", False)


def test_neither_secret_nor_text_shows_when_a_parcel_is_printed() -> None:
    shown = repr(parcel("webhook", "https://hub.example/alarms", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert not any(word in shown for word in ("hub.example", "whsec", "gAAAA", "TC-1"))


def test_settings_read_the_networks_that_webhooks_may_reach() -> None:
    settings = Settings(
        database_url=SecretStr("x"),
        mqtt_url=SecretStr("x"),
        webhook_allow_cidrs="127.0.0.0/8, ::1/128",
        http_port=free_port(),
    )
    assert [str(each) for each in settings.webhook_allow_cidrs] == ["127.0.0.0/8", "::1/128"]
