"""A device that shares no line of code with us: Mosquitto's own command-line client."""

import asyncio
import json
import subprocess
import time

import pytest

from tests.blackbox.box import PATIENCE_S, PRIVATE, REPEATED_AFTER_S, now
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until
from tests.support.stack import STACK

pytestmark = pytest.mark.real_stack


async def publish(installation: Installation, topic: str, payload: str, *more: str) -> None:
    broker = installation.broker
    where = ("-h", broker.host, "-p", str(broker.port_v311))
    argv = STACK.argv("nobody", "/usr/bin/mosquitto_pub", *where, "-t", topic, "-m", payload, *more)
    await asyncio.to_thread(subprocess.run, argv, check=True, timeout=60, cwd="/")


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1"])
async def test_a_press_by_mosquitto_pub_reaches_the_hub_and_its_receipt_the_box(
    installation: Installation, box: MakeBox, receiver: Receiver, version: str, qos: str
) -> None:
    home = await box()
    press = {"boot_id": "mosquitto", "seq": 1, "sent_at": now(), "kind": "fall", "text": PRIVATE}

    again_at = 0.0

    async def receipted() -> bool:
        """It is said again until then, as every box must: at QoS 0 nobody keeps it for a service that was cut off just now."""
        nonlocal again_at
        if time.monotonic() > again_at:
            again_at = time.monotonic() + REPEATED_AFTER_S
            await publish(installation, f"{home.topic}/alarm", json.dumps(press), "-V", version, "-q", qos)
        return any(each["boot_id"] == "mosquitto" for each in home.receipts())

    await until(receipted, PATIENCE_S, what="its receipt")
    assert (await receiver.told(home.device_id)).data["event"]["boot_id"] == "mosquitto"


async def test_an_empty_message_by_mosquitto_pub_is_an_unreadable_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    await publish(installation, f"{home.topic}/alarm", "", "-q", "1")
    assert (await receiver.told(home.device_id)).data["kind"] == "unreadable"
