"""Contract, "Kinds → priority", "Status" and "Locations", with their SCAIP codes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.blackbox.box import Box
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until

SCAIP: dict[int, dict[str, set[int]]] = {
    1: {
        "personal_trigger": {3}, "fixed_trigger": {4}, "fall": {5}, "personal_attack": {6}, "panic": {7}, "epilepsy": {17},
        "heart_rate": {19}, "gas": {21}, "smoke": {23}, "heat": {25}, "carbon_monoxide": {26}, "bogus_caller": {27},
        "intruder": {28}, "man_down": {30}, "sprinkler": {37}, "lift": {46}, "fire_system": {47},
        "unreadable": {0}, "unprocessable": {0}, "monitoring_impaired": {0}, "a kind nobody knows": {0},
    },
    2: {
        "activity": {10}, "pill_dispenser": {11}, "bed": {12}, "mat": {13}, "door": {14}, "wandering": {15}, "enuresis": {16},
        "occupancy": {18}, "environmental": {20}, "boundary": {29}, "flood": {33}, "bath": {34}, "perimeter": {36},
        "chair": {44}, "tracking_device": {51},
    },
    3: {"device_silent": {0}, "channel_failing": {0}},
    4: {
        "local_unit": {2, 48}, "duty_switch": {8, 9}, "lighting": {22}, "heating": {24}, "system_monitor": {31},
        "comms_link": {32}, "latch_key": {35}, "tamper": {38}, "printer": {39}, "router": {40}, "power_supply": {41},
        "access_controller": {43}, "controller": {45}, "monitoring_device": {49}, "radio_unit": {50},
    },
}  # fmt: skip
KINDS = [(kind, priority, codes) for priority, kinds in SCAIP.items() for kind, codes in kinds.items()]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def everything_at_once(module_box: MakeBox) -> AsyncIterator[Box]:
    """A home where every kind of alarm goes off."""
    home = await module_box()
    for kind, _, _ in KINDS:
        home.press(kind)
    yield home


@pytest.mark.parametrize(("kind", "priority", "codes"), KINDS, ids=[kind for kind, _, _ in KINDS])
async def test_each_kind_of_alarm_has_its_priority_and_its_scaip_code(
    everything_at_once: Box, receiver: Receiver, kind: str, priority: int, codes: set[int]
) -> None:
    def of_this_kind() -> list[dict[str, object]]:
        raised = receiver.accepted(everything_at_once.device_id, "alarm.raised")
        return [each.data for each in raised if each.data["kind"] == kind]

    data = (await until(of_this_kind))[0]
    assert data["priority"] == priority
    assert data["event"]["scaip"]["dty"] in codes  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("status", "kind", "priority", "stc"),
    [
        ("activated", "fall", 1, 6),
        ("activated", "door", 2, 6),
        ("activated", "tamper", 4, 6),
        ("battery_low", "smoke", 4, 16),
        ("battery_low", "personal_trigger", 4, 16),
        ("failure", "personal_trigger", 3, 42),
        ("failure", "smoke", 3, 42),
    ],
)
async def test_a_status_decides_the_priority_together_with_the_kind(
    box: MakeBox, receiver: Receiver, status: str, kind: str, priority: int, stc: int
) -> None:
    home = await box()
    home.press(kind, status=status)
    told = await receiver.told(home.device_id)
    assert (told.data["status"], told.data["priority"]) == (status, priority)
    assert told.data["event"]["scaip"]["stc"] == stc


@pytest.mark.parametrize(
    ("location", "lco"), [("bathroom", 11), ("front_door", 39), ("living_room", 43), ("wing", 52), ("Nan's chair", 0)]
)
async def test_a_location_is_passed_on_with_its_scaip_code(
    box: MakeBox, receiver: Receiver, location: str, lco: int
) -> None:
    home = await box()
    home.press("fall", location=location)
    data = (await receiver.told(home.device_id)).data
    assert (data["location"], data["event"]["scaip"]["lco"]) == (location, lco)


@pytest.mark.parametrize(
    ("kind", "status", "priority"), [("power_supply", "activated", 4), ("personal_trigger", "failure", 3)]
)
async def test_a_restore_closes_the_fault_of_the_same_kind_and_peripheral_and_no_other(
    installation: Installation, box: MakeBox, receiver: Receiver, kind: str, status: str, priority: int
) -> None:
    home = await box()
    home.press(kind, status=status, peripheral_id="one")
    fault = await installation.alarm(home.device_id, state="open", peripheral_id="one")
    home.press(kind, status=status, peripheral_id="two")
    await installation.alarm(home.device_id, state="open", peripheral_id="two")
    assert fault["priority"] == priority

    home.press(kind, status="restored", peripheral_id="one")

    restored = await receiver.told(home.device_id, "alarm.restored")
    assert (restored.data["alarm_id"], restored.data["state"]) == (fault["alarm_id"], "closed")
    assert restored.data["event"]["status"] == "restored"
    assert (await installation.alarms(home.device_id, state="open"))[0]["peripheral_id"] == "two"


@pytest.mark.parametrize("kind", ["smoke", "door"])
@pytest.mark.parametrize(("status", "told_as"), [("restored", "alarm.restored"), ("cancelled", "alarm.cancelled")])
async def test_neither_restore_nor_cancel_closes_an_alarm_of_life_or_welfare_and_the_hub_is_told(
    installation: Installation, box: MakeBox, receiver: Receiver, kind: str, status: str, told_as: str
) -> None:
    home = await box()
    home.press(kind)
    alarm = await installation.alarm(home.device_id, state="open")

    home.press(kind, status=status)

    told = await receiver.told(home.device_id, told_as)
    assert (told.data["alarm_id"], told.data["state"]) == (alarm["alarm_id"], "open")
    assert told.data["priority"] == alarm["priority"]
    after = (await installation.api.get(f"/api/v1/alarms/{alarm['alarm_id']}")).body
    assert (after["state"], after["priority"]) == ("open", alarm["priority"])


async def test_a_press_is_not_hidden_by_the_open_low_battery_alarm_of_the_same_pendant(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press(status="battery_low")
    await installation.alarm(home.device_id, priority=4)

    press = home.press()

    await home.receipt(press)
    await until(lambda: any(each.data["priority"] == 1 for each in receiver.accepted(home.device_id)))


async def test_a_monthly_test_is_listed_told_to_the_hub_and_closes_by_itself(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    press = home.press(test=True)

    told = await receiver.told(home.device_id, "test.received")

    assert (told.data["priority"], told.data["test"]) == (5, True)
    closed = await installation.alarm(home.device_id, test=True, state="closed")
    assert closed["priority"] == 5
    await home.receipt(press)


async def test_a_press_after_a_test_is_a_press(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.press(test=True)
    home.press()
    told = await receiver.told(home.device_id)
    assert (told.data["test"], told.data["priority"]) == (False, 1)
