"""Receipts to devices, by MQTT."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from services.alerts.channels.receipt import ReceiptChannel
from services.chassis.mqtt import MqttUrl, Publisher
from tests.blackbox.box import Peer
from tests.integration.alerts.channels.ways import parcel
from tests.support.servers import Broker, until

TOPIC = "telecare/v1/devices/glasgow-city/TC-1/receipt"


@pytest.fixture
async def publisher(broker: Broker) -> AsyncIterator[Publisher]:
    publisher = Publisher(MqttUrl.parse(broker.url), "test-alerts")
    task = asyncio.create_task(publisher.run())
    await publisher.wait_connected()
    yield publisher
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_receipt_reaches_its_device(broker: Broker, publisher: Publisher) -> None:
    device = Peer(broker, "TC-1", TOPIC)
    await device.connect()
    sending = parcel("receipt", topic=TOPIC, hub_id=None, notification_id=None)
    outcome = await ReceiptChannel(publisher).send(sending, datetime.now(UTC))
    assert outcome.verdict == "delivered"
    await until(lambda: device.heard(TOPIC))
    device.close()


async def test_a_broker_that_is_away_may_come_back(broker: Broker, publisher: Publisher) -> None:
    broker.kill()
    await until(lambda: not publisher.connected)
    sending = parcel("receipt", topic=TOPIC, hub_id=None, notification_id=None)
    outcome = await ReceiptChannel(publisher).send(sending, datetime.now(UTC))
    assert (outcome.verdict, bool(outcome.detail)) == ("transient", True)
