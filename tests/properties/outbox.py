"""What the database keeps of what was told to whom, as the machine of tests/properties/test_alarm_machine.py needs it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contracts.ids import HubId
from services.alerts.domain.routing import Told

Mood = Literal["well", "refuses", "hangs"]


@dataclass(slots=True, eq=False)
class Parcel:
    """One delivery to a hub's channel."""

    alarm_id: str
    transition: int
    told_at: datetime
    hub: HubId
    channel: str
    hastens: bool
    state: Literal["pending", "delivered", "failed"] = "pending"


@dataclass(slots=True)
class Telling:
    """Who was told of one transition, by whom it was, and who had an earlier one on its way."""

    at: datetime
    hubs: frozenset[str]
    responders: frozenset[str]


@dataclass(slots=True)
class Outbox:
    parcels: list[Parcel] = field(default_factory=list)
    tellings: dict[str, list[Telling]] = field(default_factory=dict)
    transitions: int = 0

    def tell(self, alarm_id: str, told: Told, now: datetime, *, reuse_unsent: bool, hastens: bool) -> Telling:
        """As `write_transition`: a channel that has an earlier one unsent is not given another by a time-out."""
        self.transitions += 1
        unsent = {each.channel for each in self.pending(alarm_id) if each.hastens} if reuse_unsent else set()
        self.parcels += [
            Parcel(alarm_id, self.transitions, now, hub.hub_id, way.channel_id, hastens)
            for hub in told.hubs
            for way in hub.channels
            if way.channel_id not in unsent
        ]
        telling = Telling(
            now, frozenset(hub.hub_id for hub in told.hubs), frozenset(each.responder_id for each in told.responders)
        )
        self.tellings.setdefault(alarm_id, []).append(telling)
        return telling

    def pending(self, alarm_id: str) -> Iterator[Parcel]:
        return (each for each in self.parcels if each.alarm_id == alarm_id and each.state == "pending")

    def told_before(self, alarm_id: str) -> frozenset[str]:
        """Every hub and responder that was ever told of it."""
        return frozenset[str]().union(*(each.hubs | each.responders for each in self.tellings.get(alarm_id, ())))

    def refused_everywhere(self, parcel: Parcel) -> bool:
        """As the query of that name."""
        of_alarm: Iterable[Parcel] = [each for each in self.parcels if each.alarm_id == parcel.alarm_id]
        return not any(
            each.state == "pending" or (each.state == "delivered" and each.transition == parcel.transition)
            for each in of_alarm
        )

    def has_been_delivered(self, alarm_id: str, since: datetime) -> bool:
        """Whether any hub has news of it that are no older than this."""
        return any(
            each.alarm_id == alarm_id and each.state == "delivered" and each.told_at >= since for each in self.parcels
        )
