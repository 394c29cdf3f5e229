"""Every MQTT topic of the contract: how it is built, subscribed to and taken apart.

Nothing here raises on what a stranger sends: a topic of another shape parses to None, a bad segment to a flag.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from contracts.ids import (
    DEVICE_ID_PATTERN,
    SLUG_LENGTH_MAX,
    SLUG_PATTERN,
    CouncilId,
    DeviceId,
    HubId,
    is_device_id,
    is_slug,
)

ROOT: Final = "telecare/v1"

DeviceLane: TypeAlias = Literal["heartbeat", "alarm", "status", "receipt", "command"]
ProvisioningLane: TypeAlias = Literal["request", "response"]
HubLane: TypeAlias = Literal["notifications", "actions", "action-results"]

ALARMS: Final = f"{ROOT}/devices/+/+/alarm"
"""One filter for all alarms, so that no slug is ever unheard."""
HEARTBEATS: Final = f"{ROOT}/devices/+/+/heartbeat"
STATUSES: Final = f"{ROOT}/devices/+/+/status"
HUB_ACTIONS: Final = f"{ROOT}/hubs/+/actions"
PROVISIONING_REQUESTS: Final = f"{ROOT}/provisioning/+/request"


class DeviceTopic(NamedTuple):
    """The segments of a device's topic as they came; any of them may be empty, long or malformed."""

    council: str
    device: str
    lane: str

    @property
    def council_id(self) -> CouncilId | None:
        """The council, when its segment is well-formed."""
        return CouncilId(self.council) if is_slug(self.council) else None

    @property
    def device_id(self) -> DeviceId | None:
        """The device, when its segment is well-formed."""
        return DeviceId(self.device) if is_device_id(self.device) else None


_heartbeat = re.compile(f"{ROOT}/devices/({SLUG_PATTERN[1:-1]})/({DEVICE_ID_PATTERN[1:-1]})/heartbeat").fullmatch


def councils_of(filters: Iterable[str], lane: DeviceLane) -> frozenset[str] | None:
    """Whose messages of that lane a session's topic filters let through; None: everybody's."""
    councils = frozenset(each.split("/")[3] for each in filters if each.endswith(f"/{lane}"))
    return None if "+" in councils else councils


def councils_heard(filters: Iterable[str], subscribed: Iterable[str] | None, lane: DeviceLane) -> frozenset[str] | None:
    """Those that the filters let through and the broker has granted; None: everybody's.

    `subscribed` is what it granted; None: nobody has said (a release before 0055 works it), and the filters are all that is known.
    """
    wanted = councils_of(filters, lane)
    granted = wanted if subscribed is None else councils_of(subscribed, lane)
    if wanted is None or granted is None:
        return granted if wanted is None else wanted
    return wanted & granted


class HubTopic(NamedTuple):
    """The segments of a hub's topic as they came."""

    hub: str
    lane: str

    @property
    def hub_id(self) -> HubId | None:
        """The hub, when its segment is well-formed."""
        return HubId(self.hub) if is_slug(self.hub) else None


class ProvisioningTopic(NamedTuple):
    """The segments of a provisioning topic as they came."""

    serial: str
    lane: str


def device_topic(council: CouncilId, device: DeviceId, lane: DeviceLane) -> str:
    """The topic of one lane of a device."""
    return f"{ROOT}/devices/{council}/{device}/{lane}"


def hub_topic(hub: HubId, lane: HubLane) -> str:
    """The topic of one lane of a hub."""
    return f"{ROOT}/hubs/{hub}/{lane}"


def provisioning_topic(serial: str, lane: ProvisioningLane) -> str:
    """The topic on which a device asks for, and is given, its own credential."""
    return f"{ROOT}/provisioning/{serial}/{lane}"


def heartbeats_of(council: CouncilId) -> str:
    """The filter for the heartbeats of one council."""
    return f"{ROOT}/devices/{council}/+/heartbeat"


def parse_device_topic(topic: str) -> DeviceTopic | None:
    """Take a device's topic apart. None when it has another shape altogether; bad segments are kept as they are."""
    match topic.split("/"):
        case ["telecare", "v1", "devices", council, device, lane]:
            return DeviceTopic(council, device, lane)
        case _:
            return None


def heartbeat_ids(topic: str) -> tuple[CouncilId, DeviceId] | None:
    """The council and device of a heartbeat's topic; None unless both are well-formed. One match: it is the hot path."""
    found = _heartbeat(topic)
    if found is None:
        return None
    council: Any  # `Any`, because even a NewType's call costs here
    device: Any
    council, device = found.groups()
    return (council, device) if len(council) <= SLUG_LENGTH_MAX else None


def parse_hub_topic(topic: str) -> HubTopic | None:
    """Take a hub's topic apart. None when it has another shape altogether."""
    match topic.split("/"):
        case ["telecare", "v1", "hubs", hub, lane]:
            return HubTopic(hub, lane)
        case _:
            return None


def parse_provisioning_topic(topic: str) -> ProvisioningTopic | None:
    """Take a provisioning topic apart. None when it has another shape altogether."""
    match topic.split("/"):
        case ["telecare", "v1", "provisioning", serial, lane] if serial:
            return ProvisioningTopic(serial, lane)
        case _:
            return None


def reply_topic(topic: str, lane: Literal["receipt", "command"]) -> str | None:
    """Where to answer what came on `topic`: the same segments, whatever they are.

    A device in a council that nobody knows still waits for its receipt. None when `topic` is no device's, or when
    nothing may be published there.
    """
    parts = parse_device_topic(topic)
    if parts is None or any(char in topic for char in "+#\0"):
        return None
    return f"{ROOT}/devices/{parts.council}/{parts.device}/{lane}"
