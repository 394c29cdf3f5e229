"""Alarms that cannot be looked at again, by a fault of ours, hold up no other."""

from tests.integration.alerts.world import World

_A_FAULT = "alter table alerts.alarm add constraint a_fault check (device_id not like 'TC-stuck%' or step = 0)"


async def test_an_alarm_that_cannot_be_escalated_is_passed_over_and_not_for_ever(glasgow: World) -> None:
    await glasgow.press(device_id="TC-stuck")
    await glasgow.press(device_id="TC-000123")
    await glasgow.database.execute(_A_FAULT)
    await glasgow.after(61)
    assert (await glasgow.alarm("TC-000123"))["step"] == 1
    assert (await glasgow.alarm("TC-stuck"))["step"] == 0
    assert str(await glasgow.parts.waker.check()).startswith("1 alarm(s) cannot be looked at again")

    await glasgow.database.execute("alter table alerts.alarm drop constraint a_fault")
    await glasgow.after(10)
    assert (await glasgow.alarm("TC-stuck"))["step"] == 1
    assert await glasgow.parts.waker.check() is None


async def test_many_of_them_hold_up_no_other_either(glasgow: World) -> None:
    """Each must not cost the loop a pause: twelve did, and of those behind them none was ever looked at."""
    for number in range(12):
        await glasgow.press(device_id=f"TC-stuck-{number}")
    glasgow.clock.move(1)
    await glasgow.press(device_id="TC-000123")
    await glasgow.database.execute(_A_FAULT)
    glasgow.clock.move(61)

    # What did something is called again at once; a loop pauses after nought, and after an error.
    assert [await glasgow.parts.waker.run_once() for _ in range(14)] == [1] * 13 + [0]
    assert (await glasgow.alarm("TC-000123"))["step"] == 1
