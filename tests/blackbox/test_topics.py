"""Contract, "MQTT topics"."""

import secrets

import pytest

from tests.blackbox.box import Box, Version
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import COUNCIL, HUB, Installation, MakeBox, new_id
from tests.support.servers import until


@pytest.mark.parametrize("version", [4, 5], ids=["mqtt 3.1.1", "mqtt 5"])
async def test_a_press_on_a_box_of_either_mqtt_version_reaches_the_hub(
    box: MakeBox, receiver: Receiver, version: Version
) -> None:
    home = await box(version=version)
    press = home.press()

    told = await receiver.told(home.device_id)

    assert told.data["event"]["boot_id"] == press.boot_id
    assert (await home.receipt(press))["alarm_id"] in {None, told.data["alarm_id"]}


async def test_a_device_id_may_be_64_characters_of_letters_digits_underscore_and_hyphen(
    box: MakeBox, receiver: Receiver
) -> None:
    home = await box(device_id=f"Az_-{secrets.token_hex(30)}")
    home.press()
    assert (await receiver.told(home.device_id)).data["unregistered"] is False


async def test_where_topic_and_register_disagree_on_the_council_the_register_is_believed(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    await installation.make_hub("tay-arc", "dundee-city")
    home = await box(council="dundee-city", topic_council=COUNCIL)

    press = home.press()

    told = await receiver.told(home.device_id, hub="tay-arc")
    assert told.data["council_id"] == "dundee-city"
    assert receiver.attempts(home.device_id, hub=HUB) == []
    await home.receipt(press)


@pytest.mark.parametrize("council", ["atlantis", "Glasgow City", "-", "glasgow_city", "x" * 65])
async def test_an_alarm_under_a_council_that_nobody_knows_is_still_an_alarm(
    box: MakeBox, receiver: Receiver, council: str
) -> None:
    home = await box(council=council, registered=False)

    press = home.press()

    told = await receiver.told(home.device_id)
    assert (told.data["priority"], told.data["unregistered"]) == (1, True)
    await home.receipt(press)


@pytest.mark.parametrize("device_id", ["Mrs MacKay's", "x" * 65, "flat 1§"])
async def test_an_alarm_of_a_device_with_an_impossible_id_is_still_an_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver, device_id: str
) -> None:
    home = await box(device_id=device_id, registered=False)

    press = home.press()

    def raised() -> str | None:
        boots = {each.data["event"]["boot_id"]: each.data["device_id"] for each in receiver.of_alarms()}
        return boots.get(press.boot_id)

    known_as = await until(raised)
    assert (await installation.alarm(known_as))["priority"] == 1
    await home.receipt(press)
    await installation.close_alarms(known_as)


async def test_two_devices_with_impossible_ids_never_share_an_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    same = "y" * 64
    homes: list[Box] = [await box(device_id=f"{same}{number}", registered=False) for number in (1, 2)]
    boots = {home.press().boot_id for home in homes}

    def alarms() -> set[str]:
        return {each.data["alarm_id"] for each in receiver.of_alarms() if each.data["event"]["boot_id"] in boots}

    await until(lambda: len(alarms()) == 2, what="an alarm for each")
    for each in receiver.of_alarms():
        if each.data["event"]["boot_id"] in boots:
            await installation.close_alarms(each.data["device_id"])


async def test_an_alarm_of_an_unregistered_device_goes_to_the_hub_of_the_council_in_its_topic(
    box: MakeBox, receiver: Receiver
) -> None:
    home = await box(device_id=new_id("stranger"), registered=False)
    home.press("fall")
    told = await receiver.told(home.device_id, hub=HUB)
    assert (told.data["unregistered"], told.data["installation_ref"], told.data["priority"]) == (True, None, 1)
