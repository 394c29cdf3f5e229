"""Contract, "receipt": how a box learns that it has been heard."""

import pytest

from tests.blackbox.box import Version
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox


@pytest.mark.parametrize("version", [4, 5], ids=["mqtt 3.1.1", "mqtt 5"])
async def test_a_box_is_told_that_its_alarm_is_stored_notified_acknowledged_and_closed(
    installation: Installation, box: MakeBox, version: Version
) -> None:
    home = await box(version=version)
    press = home.press()

    stored = await home.receipt(press)
    assert (stored["boot_id"], stored["seq"]) == (press.boot_id, press.seq)
    assert stored["at"]
    notified = await home.receipt(press, "notified")
    alarm_id = notified["alarm_id"]
    alarm = await installation.alarm(home.device_id, alarm_id=alarm_id)
    assert alarm["notified_at"]

    await installation.api.post(f"/api/v1/alarms/{alarm_id}/acknowledge", {"operator": "morag"})
    assert (await home.receipt(press, "acknowledged"))["alarm_id"] == alarm_id

    closing = {"operator": "morag", "outcome": "attended", "note": "tea was made"}
    await installation.api.post(f"/api/v1/alarms/{alarm_id}/close", closing)
    assert (await home.receipt(press, "closed"))["alarm_id"] == alarm_id

    # As it was told each for the first time: what the broker brings us twice is receipted twice.
    told = dict.fromkeys(each["state"] for each in home.receipts(press))
    assert list(told) == ["stored", "notified", "acknowledged", "closed"]


async def test_every_press_of_one_alarm_gets_its_own_receipt(box: MakeBox) -> None:
    home = await box()
    presses = [home.press() for _ in range(3)]
    for press in presses:
        await home.receipt(press)


async def test_a_box_has_its_receipt_even_while_the_hub_does_not_take_the_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    receiver.plan(home.device_id, *[500] * 20)

    press = home.press()

    await home.receipt(press)
    assert (await installation.alarm(home.device_id))["notified_at"] is None
    assert {each["state"] for each in home.receipts(press)} == {"stored"}


async def test_a_heartbeat_gets_no_receipt(box: MakeBox) -> None:
    home = await box()
    beat = home.beat(battery_pct=80)
    press = home.press()
    await home.receipt(press, "notified")
    assert home.receipts(beat) == []


async def test_a_box_that_was_away_finds_its_receipts_when_it_comes_back(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    press = home.press()
    alarm = await installation.alarm(home.device_id)
    await home.receipt(press, "notified")
    home.close()

    await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})

    await home.connect()
    await home.receipt(press, "acknowledged")
