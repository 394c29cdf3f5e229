"""One alarm that cannot be looked at again, by a fault of ours, holds up no other."""

import asyncpg
import pytest

from tests.integration.alerts.world import World


async def test_an_alarm_that_cannot_be_escalated_does_not_stand_before_all_the_others(glasgow: World) -> None:
    await glasgow.register("TC-000124")
    await glasgow.press(device_id="TC-000123")
    await glasgow.press(device_id="TC-000124")
    await glasgow.database.execute(
        "alter table alerts.alarm add constraint a_fault check (device_id <> 'TC-000123' or step = 0)"
    )
    glasgow.clock.move(61)
    with pytest.raises(asyncpg.CheckViolationError):
        await glasgow.parts.waker.run_once()
    await glasgow.settle()
    assert (await glasgow.alarm("TC-000124"))["step"] == 1
    assert (await glasgow.alarm("TC-000123"))["step"] == 0

    await glasgow.database.execute("alter table alerts.alarm drop constraint a_fault")
    await glasgow.after(10)  # it was passed over for a while, and not for ever
    assert (await glasgow.alarm("TC-000123"))["step"] == 1
