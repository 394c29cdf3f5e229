"""Contract, "Repeats": what is the same alarm, and what only looks like it."""

from tests.blackbox.box import PRIVATE
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until


async def test_an_alarm_repeated_byte_for_byte_is_one_alarm_and_the_hub_hears_of_it_once(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    press = home.press(text=PRIVATE)
    await home.receipt(press)

    for _ in range(3):
        home.again(press)
    await until(lambda: len(home.receipts(press)) >= 5, what="stored, notified, and one for each repeat")
    last = home.press("fall")  # what comes after the repeats has been told: so have the repeats been judged
    await home.receipt(last, "notified")

    presses = [each for each in await installation.alarms(home.device_id) if each["kind"] == "personal_trigger"]
    assert [each["event_count"] for each in presses] == [1]
    assert len([each for each in receiver.attempts(home.device_id) if each.data["kind"] == "personal_trigger"]) == 1


async def test_each_repeat_is_receipted_again_with_the_alarms_present_state(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    press = home.press()
    await home.receipt(press, "notified")  # or that comes after the acknowledgement, and is taken for the repeat's
    alarm = await installation.alarm(home.device_id)
    await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    await home.receipt(press, "acknowledged")
    before = len(home.receipts(press))

    home.again(press)

    await until(lambda: len(home.receipts(press)) > before)
    again = home.receipts(press)[-1]
    assert (again["state"], again["alarm_id"]) == ("acknowledged", alarm["alarm_id"])


async def test_a_repeated_test_is_receipted_closed_as_its_alarm_is(installation: Installation, box: MakeBox) -> None:
    home = await box()
    press = home.press(test=True)
    await home.receipt(press, "notified")
    alarm = await installation.alarm(home.device_id, state="closed")
    assert [each["state"] for each in home.receipts(press)] == ["stored", "notified"]

    home.again(press)

    assert (await home.receipt(press, "closed"))["alarm_id"] == alarm["alarm_id"]


async def test_the_same_identity_with_other_bytes_is_no_repeat_and_reaches_the_hub(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press("fall", peripheral_id="belt")
    await receiver.told(home.device_id)

    home.seq = 0  # a box without entropy, which restarts with the boot_id it had
    other = home.press("smoke", peripheral_id="hall")

    await until(lambda: {each.data["kind"] for each in receiver.accepted(home.device_id)} == {"fall", "smoke"})
    await home.receipt(other)
    assert {each["kind"] for each in await installation.alarms(home.device_id)} == {"fall", "smoke"}


async def test_a_second_press_joins_the_open_alarm_and_the_hub_hears_of_it(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.press()
    raised = await receiver.told(home.device_id)

    home.press()

    repeated = await receiver.told(home.device_id, "alarm.repeated")
    assert (repeated.data["alarm_id"], repeated.data["event_count"]) == (raised.data["alarm_id"], 2)
    assert repeated.id != raised.id


async def test_a_press_after_a_reboot_with_the_same_seq_is_another_press(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    first = home.press()
    await receiver.told(home.device_id)
    home.reboot()

    second = home.press()

    assert first.seq == second.seq
    assert (await receiver.told(home.device_id, "alarm.repeated")).data["event_count"] == 2
    await home.receipt(second)


async def test_another_kind_and_another_peripheral_are_other_alarms(installation: Installation, box: MakeBox) -> None:
    home = await box()
    home.press("smoke", peripheral_id="hall")
    home.press("smoke", peripheral_id="kitchen")
    home.press("heat", peripheral_id="kitchen")
    home.press("heat")

    async def alarms() -> bool:
        return len(await installation.alarms(home.device_id)) == 4

    await until(alarms)


async def test_the_same_boot_and_seq_on_another_box_is_another_homes_alarm(box: MakeBox, receiver: Receiver) -> None:
    homes = [await box(), await box()]
    homes[1].boot_id = homes[0].boot_id
    for home in homes:
        home.press()
    alarms = {(await receiver.told(home.device_id)).data["alarm_id"] for home in homes}
    assert len(alarms) == 2


async def test_a_heartbeat_with_the_same_seq_does_not_swallow_an_alarm(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.beat()
    home.seq = 0
    home.press()
    await receiver.told(home.device_id)


async def test_unreadable_bytes_sent_again_are_the_same_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    noise = home.say("alarm", f"{{{PRIVATE}".encode())
    await receiver.told(home.device_id)
    home.again(noise)
    home.say("alarm", f"{{{PRIVATE}{PRIVATE}".encode())

    repeated = await receiver.told(home.device_id, "alarm.repeated")
    assert repeated.data["event_count"] == 2
    assert (await installation.alarm(home.device_id))["event_count"] == 2


async def test_a_press_on_an_acknowledged_alarm_opens_it_again(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press()
    alarm = await installation.alarm(home.device_id, state="open")
    await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    await installation.alarm(home.device_id, state="acknowledged")

    home.press()

    repeated = await receiver.told(home.device_id, "alarm.repeated")
    assert (repeated.data["alarm_id"], repeated.data["state"]) == (alarm["alarm_id"], "open")


async def test_a_press_after_the_alarm_was_closed_is_a_new_alarm(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press()
    first = (await receiver.told(home.device_id)).data["alarm_id"]
    await installation.close_alarms(home.device_id)

    home.press()

    await until(lambda: len(receiver.accepted(home.device_id, "alarm.raised")) == 2)
    assert (await installation.alarm(home.device_id, state="open"))["alarm_id"] != first
