"""What each kind and status is worth, word for word as in the contract."""

import pytest

from contracts.vocabulary import KINDS, LOCATIONS, STATUS_CODES, STATUSES, Priority, dty_of, lco_of, priority_of, stc_of

# Copied from the contract's table "Kinds → priority", so that the two can be laid side by side.
CONTRACT = {
    1: "personal_trigger (3) fixed_trigger (4) fall (5) personal_attack (6) panic (7) epilepsy (17) heart_rate (19) "
    "gas (21) smoke (23) heat (25) carbon_monoxide (26) bogus_caller (27) intruder (28) man_down (30) sprinkler (37) "
    "lift (46) fire_system (47) unreadable () unprocessable () monitoring_impaired ()",
    2: "activity (10) pill_dispenser (11) bed (12) mat (13) door (14) wandering (15) enuresis (16) occupancy (18) "
    "environmental (20) boundary (29) flood (33) bath (34) perimeter (36) chair (44) tracking_device (51)",
    3: "device_silent () channel_failing ()",
    4: "local_unit (2,48) duty_switch (8,9) lighting (22) heating (24) system_monitor (31) comms_link (32) "
    "latch_key (35) tamper (38) printer (39) router (40) power_supply (41) access_controller (43) controller (45) "
    "monitoring_device (49) radio_unit (50)",
}


def test_the_kinds_are_those_of_the_contract() -> None:
    told = {
        (kind, priority, code)
        for priority, text in CONTRACT.items()
        for kind, code in zip(text.split()[::2], text.split()[1::2], strict=True)
    }
    ours = {(kind.name, kind.priority.value, f"({','.join(map(str, sorted(kind.dty)))})") for kind in KINDS.values()}
    assert ours == told


def test_no_scaip_code_means_two_things() -> None:
    codes = [code for kind in KINDS.values() for code in kind.dty]
    assert len(codes) == len(set(codes))
    assert len(set(LOCATIONS.values())) == len(LOCATIONS)
    assert STATUS_CODES.keys() == STATUSES


@pytest.mark.parametrize(
    ("kind", "status", "test", "sole_trigger", "priority"),
    [
        ("fall", "activated", False, None, 1),
        ("door", "activated", False, None, 2),
        ("device_silent", "activated", False, None, 3),
        ("tamper", "activated", False, None, 4),
        ("never_heard_of", "activated", False, None, 1),
        ("unknown", "activated", False, None, 1),
        ("fall", "never_heard_of", False, None, 1),
        ("door", "never_heard_of", False, True, 2),
        ("fall", "battery_low", False, True, 4),
        ("never_heard_of", "battery_low", False, None, 4),
        ("fall", "failure", False, True, 3),
        ("fall", "failure", False, None, 3),
        ("fall", "failure", False, False, 4),
        ("tamper", "failure", False, True, 3),
        ("fall", "restored", False, None, 5),
        ("fall", "cancelled", False, None, 5),
        ("fall", "activated", True, None, 5),
        ("fall", "failure", True, True, 5),
        ("never_heard_of", "never_heard_of", True, None, 5),
    ],
)
def test_the_priority_of_an_event(kind: str, status: str, test: bool, sole_trigger: bool | None, priority: int) -> None:
    assert priority_of(kind, status, test=test, sole_trigger=sole_trigger) is Priority(priority)


def test_scaip_codes_are_0_for_what_it_does_not_know() -> None:
    assert (dty_of("personal_trigger"), dty_of("local_unit"), dty_of("unreadable"), dty_of("alien")) == (3, 48, 0, 0)
    assert (lco_of("bathroom"), lco_of("behind the shed"), lco_of(None)) == (11, 0, 0)
    assert (stc_of("activated"), stc_of("restored"), stc_of("alien")) == (6, 94, 6)
