"""Whether a device was proved to work in its home: from evidence to a list that an engineer reads in the hallway. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.registry.domain.checklist import heartbeats, identity, supply, triggers
from services.registry.domain.checklist.evidence import Beat, Credential, Demands, Event, Evidence, Trigger
from services.registry.domain.checklist.item import Item, State

__all__ = ["Beat", "Checklist", "Credential", "Demands", "Event", "Evidence", "Item", "State", "Trigger", "checklist"]


@dataclass(frozen=True, slots=True)
class Checklist:
    """As of `as_of`: what was true then need not be true now. `heard_at` is the last heartbeat."""

    began_at: datetime | None
    as_of: datetime
    heard_at: datetime | None
    items: tuple[Item, ...]

    @property
    def complete(self) -> bool:
        """Every item is done. A list of nothing proves nothing."""
        return bool(self.items) and not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The titles of what is not done."""
        return tuple(item.title for item in self.items if not item.done)


def checklist(evidence: Evidence, now: datetime) -> Checklist:
    """The list as of `now`."""
    beats = evidence.in_order
    own = identity.own_credential(evidence)
    signal = heartbeats.signal(evidence)
    wanted = evidence.demands.triggers
    items = (
        *([own] if own else []),
        heartbeats.first(evidence, now),
        heartbeats.steady(evidence, now),
        *([signal] if signal else []),
        supply.mains(evidence),
        *heartbeats.paths(evidence),
        *([triggers.tried(each, evidence, now) for each in wanted] or [triggers.any_test(evidence, now)]),
    )
    return Checklist(evidence.began_at, now, beats[-1].received_at if beats else None, items)


def not_begun(now: datetime) -> Checklist:
    """Of a device whose commissioning never began."""
    say = "Commissioning has not begun: nothing was tried."
    return Checklist(None, now, None, (Item("commissioning", "Commissioning", "waiting", say),))
