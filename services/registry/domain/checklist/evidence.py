"""What is known of a device since its commissioning began, as ingest and alerts publish it. Times are ours, not the device's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

Path: TypeAlias = Literal["ethernet", "wifi", "mobile"]

MOBILE: Final = frozenset({"lte", "umts", "gsm", "nb_iot"})
"""Networks that are the one path `mobile`."""

Credential: TypeAlias = Literal["none", "exchanged", "at_broker"]
"""Of the device's own: its claim not exchanged yet; exchanged, and the broker not told yet; known to the broker."""

ReceiptFate: TypeAlias = Literal["none", "pending", "taken", "nobody"]
"""Of our receipt to the device: not due yet, not sent yet, taken by the broker for a subscribed session, or for nobody."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat. What it did not tell is None."""

    boot_id: str
    seq: int
    received_at: datetime
    mains: bool | None = None
    signal_dbm: int | None = None
    network: str | None = None

    @property
    def path(self) -> str | None:
        return "mobile" if self.network in MOBILE else self.network


@dataclass(frozen=True, slots=True)
class Event:
    """An alarm event of the device, and how far it and its receipt have come.

    `repeats`: how often the same bytes came again. The alarm's part is empty until alerts has decided about the event.
    `told`: when hubs were told of it; None while undecided, or when there were too many tests. `hubs` is how many were told,
    `refused` how many of those never will take it. `proof`: a test, or a press that a hub closed as one.
    """

    kind: str
    status: str
    peripheral_id: str | None
    received_at: datetime
    boot_id: str | None = None
    seq: int | None = None
    repeats: int = 0
    repeated_at: datetime | None = None
    proof: bool = False
    decided: bool = False
    told_at: datetime | None = None
    hubs: int = 0
    refused: int = 0
    hub: str | None = None
    reached_at: datetime | None = None
    receipt: ReceiptFate = "none"

    @property
    def last_came_at(self) -> datetime:
        return self.received_at if self.repeated_at is None else max(self.received_at, self.repeated_at)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something that calls for help, to be tried. Without a peripheral: any of this kind."""

    kind: str
    peripheral_id: str | None = None

    @property
    def key(self) -> str:
        return ":".join(part for part in ("trigger", self.kind, self.peripheral_id) if part)

    def is_tried_by(self, event: Event) -> bool:
        same = event.kind == self.kind and self.peripheral_id in {None, event.peripheral_id}
        return same and event.proof and event.status == "activated"


@dataclass(frozen=True, slots=True)
class Demands:
    """What the device's model promises, and so must show."""

    heartbeat_interval_s: int = 60
    signal_dbm_min: int | None = None
    paths: tuple[Path, ...] = ()
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. `heard_at`: any sign of life, also by what cannot be used. `credential`: None where the broker knows nobody.

    `asked_interval_s`: as often as heartbeats were asked for, for now; None: as often as the model sends them.
    """

    began_at: datetime
    demands: Demands
    beats: Sequence[Beat] = ()
    events: Sequence[Event] = ()
    heard_at: datetime | None = None
    asked_interval_s: int | None = None
    credential: Credential | None = None

    @property
    def in_order(self) -> list[Beat]:
        """The heartbeats since it began as they came, each once."""
        unique = {
            (beat.boot_id, beat.seq, beat.received_at): beat for beat in self.beats if beat.received_at >= self.began_at
        }
        return sorted(unique.values(), key=lambda beat: (beat.received_at, beat.seq))

    @property
    def proofs(self) -> list[Event]:
        """The events since it began, oldest first."""
        return sorted(
            (event for event in self.events if event.received_at >= self.began_at), key=lambda event: event.received_at
        )

    @property
    def event_seqs(self) -> Mapping[str, frozenset[int]]:
        """By boot: one `seq` runs over heartbeats and alarms alike, so an alarm between two heartbeats is no gap."""
        found: dict[str, set[int]] = {}
        for event in self.events:
            if event.boot_id is not None and event.seq is not None:
                found.setdefault(event.boot_id, set()).add(event.seq)
        return {boot: frozenset(seqs) for boot, seqs in found.items()}
