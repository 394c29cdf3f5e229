"""The words that devices, hubs and we share, and what each is worth.

Kinds, statuses, locations and their SCAIP codes (SS 91100:2014: `dty`, `stc`, `lco`) are the contract's; so are the
rules from a kind and a status to a priority.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, TypeAlias, get_args


class Priority(IntEnum):
    """How urgent an alarm is; 1 comes first."""

    LIFE = 1
    WELFARE = 2
    UNPROTECTED = 3
    DEGRADED = 4
    LOG = 5


Status: TypeAlias = Literal["activated", "battery_low", "failure", "restored", "cancelled"]
AlarmState: TypeAlias = Literal["open", "acknowledged", "closed"]
Outcome: TypeAlias = Literal[
    "attended",
    "emergency_services",
    "advice_given",
    "no_response",
    "accidental",
    "test",
    "equipment_fault",
    "data_quality",
]
Network: TypeAlias = Literal["ethernet", "wifi", "lte", "umts", "gsm", "nb_iot"]

STATUSES: Final[frozenset[str]] = frozenset(get_args(Status))
OUTCOMES: Final[frozenset[str]] = frozenset(get_args(Outcome))

UNREADABLE: Final = "unreadable"
"""The kind of an alarm whose bytes can't be read at all."""
UNPROCESSABLE: Final = "unprocessable"
"""The kind of an alarm made of an event-log row that failed again and again."""
MONITORING_IMPAIRED: Final = "monitoring_impaired"
DEVICE_SILENT: Final = "device_silent"
CHANNEL_FAILING: Final = "channel_failing"
UNKNOWN_KIND: Final = "unknown"
"""What stands for a kind that is missing from an alarm that can be read. In no table, hence priority 1."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alarm: its priority when activated, and SCAIP's device types, the usual one first (none for ours)."""

    name: str
    priority: Priority
    dty: tuple[int, ...]


_LIFE: Final[Mapping[str, tuple[int, ...]]] = {
    "personal_trigger": (3,),
    "fixed_trigger": (4,),
    "fall": (5,),
    "personal_attack": (6,),
    "panic": (7,),
    "epilepsy": (17,),
    "heart_rate": (19,),
    "gas": (21,),
    "smoke": (23,),
    "heat": (25,),
    "carbon_monoxide": (26,),
    "bogus_caller": (27,),
    "intruder": (28,),
    "man_down": (30,),
    "sprinkler": (37,),
    "lift": (46,),
    "fire_system": (47,),
    UNREADABLE: (),
    UNPROCESSABLE: (),
    MONITORING_IMPAIRED: (),
}
_WELFARE: Final[Mapping[str, tuple[int, ...]]] = {
    "activity": (10,),
    "pill_dispenser": (11,),
    "bed": (12,),
    "mat": (13,),
    "door": (14,),
    "wandering": (15,),
    "enuresis": (16,),
    "occupancy": (18,),
    "environmental": (20,),
    "boundary": (29,),
    "flood": (33,),
    "bath": (34,),
    "perimeter": (36,),
    "chair": (44,),
    "tracking_device": (51,),
}
_UNPROTECTED: Final[Mapping[str, tuple[int, ...]]] = {DEVICE_SILENT: (), CHANNEL_FAILING: ()}
_DEGRADED: Final[Mapping[str, tuple[int, ...]]] = {
    "local_unit": (48, 2),
    "duty_switch": (8, 9),
    "lighting": (22,),
    "heating": (24,),
    "system_monitor": (31,),
    "comms_link": (32,),
    "latch_key": (35,),
    "tamper": (38,),
    "printer": (39,),
    "router": (40,),
    "power_supply": (41,),
    "access_controller": (43,),
    "controller": (45,),
    "monitoring_device": (49,),
    "radio_unit": (50,),
}

KINDS: Final[Mapping[str, Kind]] = {
    name: Kind(name, priority, dty)
    for priority, kinds in (
        (Priority.LIFE, _LIFE),
        (Priority.WELFARE, _WELFARE),
        (Priority.UNPROTECTED, _UNPROTECTED),
        (Priority.DEGRADED, _DEGRADED),
    )
    for name, dty in kinds.items()
}

LOCATIONS: Final[Mapping[str, int]] = {
    "home": 2,
    "away": 3,
    "indoors": 4,
    "outdoors": 5,
    "area": 8,
    "zone": 9,
    "basement": 10,
    "bathroom": 11,
    "bedroom": 12,
    "dining": 13,
    "floor": 14,
    "garage": 15,
    "garden": 16,
    "back_garden": 17,
    "front_garden": 18,
    "kitchen": 21,
    "laundry": 22,
    "stairs": 25,
    "study": 26,
    "workshop": 27,
    "loft": 28,
    "shed": 29,
    "temporary_address": 30,
    "mobile": 33,
    "property": 36,
    "accessible_bathroom": 37,
    "door": 38,
    "front_door": 39,
    "back_door": 40,
    "fire_door": 41,
    "hallway": 42,
    "living_room": 43,
    "apartment": 44,
    "bungalow": 45,
    "lounge": 46,
    "communal": 47,
    "office": 48,
    "room": 49,
    "site": 50,
    "ward": 51,
    "wing": 52,
}
"""Location names and their SCAIP `lco`. Any other text is kept as it is and has the code 0 (unknown)."""

STATUS_CODES: Final[Mapping[str, int]] = {
    "activated": 6,
    "battery_low": 16,
    "failure": 42,
    "restored": 94,
    "cancelled": 19,
}
"""Statuses and their SCAIP `stc`."""

SCAIP_UNKNOWN: Final = 0


def priority_of(kind: str, status: str, *, test: bool, sole_trigger: bool | None) -> Priority:
    """The priority of an event. Total: an unknown kind is priority 1, an unknown status counts as `activated`.

    `sole_trigger`: whether the failing thing is this person's only way to call for help; None is "not known".
    """
    if test or status in ("restored", "cancelled"):
        return Priority.LOG
    if status == "battery_low":
        return Priority.DEGRADED
    if status == "failure":
        return Priority.DEGRADED if sole_trigger is False else Priority.UNPROTECTED
    known = KINDS.get(kind)
    return known.priority if known else Priority.LIFE


def dty_of(kind: str) -> int:
    """SCAIP's device type of a kind; 0 (unknown) for ours and for unknown ones."""
    known = KINDS.get(kind)
    return known.dty[0] if known and known.dty else SCAIP_UNKNOWN


def stc_of(status: str) -> int:
    """SCAIP's status code; that of `activated` for an unknown status, which counts as such."""
    return STATUS_CODES.get(status, STATUS_CODES["activated"])


def lco_of(location: str | None) -> int:
    """SCAIP's location code; 0 (unknown) for free text and for none."""
    return LOCATIONS.get(location, SCAIP_UNKNOWN) if location else SCAIP_UNKNOWN
