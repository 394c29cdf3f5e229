"""What became of every alarm of a fleet, and the fleet's totals, for whoever watches. Instants are `time.monotonic()` seconds."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from contracts.device import Receipt
from contracts.ids import CouncilId, DeviceId
from services.simulator.memory import KeptAlarm
from services.simulator.messages import Outgoing
from services.simulator.occurrence import Occurrence
from services.simulator.population import DeviceIdentity

TRACES_MAX: Final = 10_000
"""Above this the oldest settled traces are dropped; the totals go on counting them."""

EventName: TypeAlias = Literal[
    "connected",
    "disconnected",
    "switched_off",
    "born",
    "sent",
    "repeated",
    "stored",
    "notified",
    "acknowledged",
    "closed",
]


@dataclass(slots=True, kw_only=True, eq=False)
class AlarmTrace:
    """The milestones of one alarm event, each None until the device has learnt of it.

    `born_at` is the press, `sent_at` the start of the first publish that reached the broker; the others are when the receipt
    came. A receipt of any state implies `stored`.
    """

    device_id: DeviceId
    council_id: CouncilId
    occurrence: Occurrence
    boot_id: str
    seq: int
    payload_sha256: str
    born_at: float
    sent_at: float | None = None
    sent_count: int = 0
    alarm_id: str | None = None
    stored_at: float | None = None
    notified_at: float | None = None
    acknowledged_at: float | None = None
    closed_at: float | None = None

    @property
    def is_delivered(self) -> bool:
        """A hub has it: later news than `notified` may come first, and says so too."""
        return any(at is not None for at in (self.notified_at, self.acknowledged_at, self.closed_at))

    @property
    def is_acknowledged(self) -> bool:
        """A person has taken it."""
        return self.acknowledged_at is not None

    @property
    def is_settled(self) -> bool:
        """Nothing more is owed: stored and, if it needs a person, taken or over (a restore closes its alarm without anybody)."""
        taken_or_over = self.is_acknowledged or self.closed_at is not None
        return self.stored_at is not None and (taken_or_over or not self.occurrence.needs_person)

    def delay_s(self, milestone: Literal["stored", "notified", "acknowledged", "closed"]) -> float | None:
        """From the press to that milestone."""
        at: float | None = getattr(self, f"{milestone}_at")
        return None if at is None else at - self.born_at


@dataclass(slots=True)
class Totals:
    """Alarms are events here: a second press counts. `needing_person` is how many must be acknowledged in the end."""

    boxes: int = 0
    connected: int = 0
    heartbeats: int = 0
    alarms: int = 0
    needing_person: int = 0
    sent: int = 0
    repeats: int = 0
    stored: int = 0
    notified: int = 0
    acknowledged: int = 0  # of those needing a person
    closed: int = 0
    stored_delay_s_max: float = 0.0
    acknowledged_delay_s_max: float = 0.0


@dataclass(frozen=True, slots=True)
class FleetEvent:
    """One thing that a watcher may want to show. Heartbeats are only counted."""

    name: EventName
    device: DeviceIdentity
    at: float
    trace: AlarmTrace | None = None


Watcher: TypeAlias = Callable[[FleetEvent], None]


@dataclass(slots=True)
class Ledger:
    """Kept by the boxes of one fleet."""

    totals: Totals = field(default_factory=Totals)
    traces: list[AlarmTrace] = field(default_factory=list)
    trouble: str | None = None  # why the last connection failed or ended; None once one stands again
    _watchers: list[Watcher] = field(default_factory=list)
    _by_identity: dict[tuple[str, str | None, int | None], list[AlarmTrace]] = field(default_factory=dict)
    _by_digest: dict[tuple[str, str], list[AlarmTrace]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` on every event from now on; returns how to stop that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; asked again after every event and every counted message."""
        while not predicate():
            self._changed.clear()
            await self._changed.wait()

    def snapshot(self, *, boxes: int) -> Totals:
        """The totals as they are now, of so many boxes."""
        return replace(self.totals, boxes=boxes)

    def note(self, name: EventName, device: DeviceIdentity, trace: AlarmTrace | None = None) -> None:
        """Tell the watchers."""
        self._changed.set()
        event = FleetEvent(name, device, time.monotonic(), trace)
        for watcher in tuple(self._watchers):
            watcher(event)

    def connected(self, device: DeviceIdentity) -> None:
        """A box has its connection."""
        self.trouble = None
        self.totals.connected += 1
        self.note("connected", device)

    def disconnected(self, device: DeviceIdentity) -> None:
        """A box has lost its connection, or hung up."""
        self.totals.connected -= 1
        self.note("disconnected", device)

    def born(self, device: DeviceIdentity, alarm: KeptAlarm) -> AlarmTrace:
        """An alarm is in a device's memory."""
        trace = AlarmTrace(
            device_id=device.device_id,
            council_id=device.council_id,
            occurrence=alarm.occurrence,
            boot_id=alarm.boot_id,
            seq=alarm.seq,
            payload_sha256=alarm.payload_sha256,
            born_at=time.monotonic(),
        )
        self.traces.append(trace)
        self._by_identity.setdefault((trace.device_id, trace.boot_id, trace.seq), []).append(trace)
        self._by_digest.setdefault((trace.device_id, trace.payload_sha256), []).append(trace)
        self.totals.alarms += 1
        self.totals.needing_person += alarm.occurrence.needs_person
        self._drop_settled()
        self.note("born", device, trace)
        return trace

    def published(self, device: DeviceIdentity, message: Outgoing, began_at: float) -> None:
        """A publish that began then has reached the broker."""
        self._changed.set()
        self.totals.heartbeats += message.lane == "heartbeat"
        if message.alarm is None:
            return
        trace = self._trace_of(device, message.alarm)
        if trace is None:
            return
        trace.sent_count += 1
        if trace.sent_at is None:
            trace.sent_at = began_at
            self.totals.sent += 1
            self.note("sent", device, trace)
        else:
            self.totals.repeats += 1
            self.note("repeated", device, trace)

    def receipted(self, device: DeviceIdentity, receipt: Receipt) -> None:
        """A device has heeded a receipt."""
        for trace in self._traces_meant(device, receipt):
            trace.alarm_id = receipt.alarm_id or trace.alarm_id
            for state in dict.fromkeys(("stored", receipt.state)):
                self._reach(device, trace, state)

    def _reach(
        self, device: DeviceIdentity, trace: AlarmTrace, state: Literal["stored", "notified", "acknowledged", "closed"]
    ) -> None:
        if getattr(trace, f"{state}_at") is not None:
            return
        was_acknowledged = trace.is_acknowledged
        setattr(trace, f"{state}_at", time.monotonic())
        self._count(trace, state, newly_acknowledged=trace.is_acknowledged and not was_acknowledged)
        self.note(state, device, trace)

    def _count(self, trace: AlarmTrace, state: str, *, newly_acknowledged: bool) -> None:
        totals = self.totals
        if state == "stored":
            totals.stored += 1
            totals.stored_delay_s_max = max(totals.stored_delay_s_max, trace.delay_s("stored") or 0.0)
        totals.notified += state == "notified"
        totals.closed += state == "closed"
        if newly_acknowledged and trace.occurrence.needs_person:
            totals.acknowledged += 1
            delay_s = time.monotonic() - trace.born_at
            totals.acknowledged_delay_s_max = max(totals.acknowledged_delay_s_max, delay_s)

    def _trace_of(self, device: DeviceIdentity, alarm: KeptAlarm) -> AlarmTrace | None:
        """None when it was settled, and dropped, before a repeat that was under way."""
        alike = self._by_digest.get((device.device_id, alarm.payload_sha256), [])
        return next((t for t in alike if (t.boot_id, t.seq) == (alarm.boot_id, alarm.seq)), None)

    def _traces_meant(self, device: DeviceIdentity, receipt: Receipt) -> list[AlarmTrace]:
        if receipt.payload_sha256 is not None:
            return self._by_digest.get((device.device_id, receipt.payload_sha256), [])
        return self._by_identity.get((device.device_id, receipt.boot_id, receipt.seq), [])

    def _drop_settled(self) -> None:
        if len(self.traces) <= TRACES_MAX:
            return
        for trace in [trace for trace in self.traces[: TRACES_MAX // 2] if trace.is_settled]:
            self.traces.remove(trace)
            _take_out(self._by_identity, (trace.device_id, trace.boot_id, trace.seq), trace)
            _take_out(self._by_digest, (trace.device_id, trace.payload_sha256), trace)


def _take_out(index: dict, key: tuple, trace: AlarmTrace) -> None:  # type: ignore[type-arg]
    index[key].remove(trace)
    if not index[key]:
        del index[key]
