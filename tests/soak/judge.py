"""The verdict over what was seen. Pure: no clock, no socket, no database."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

AFTERMATH_S: Final = 5.0
"""A press counts as one under a fault until so long after that is mended: a lease must lapse, a box come back."""
BEFORE_S: Final = 1.0
"""And if one begins so soon after it."""
RISE_MIB_MAX: Final = 10.0
JUDGED_FROM_S: Final = 600.0
WARM_UP_SHARE: Final = 1 / 3


@dataclass(frozen=True)
class Press:
    """One alarm event of one box, as the box knows it. Instants are monotonic seconds; None: not as far as the box knows."""

    device_id: str
    payload_sha256: str
    needs_person: bool
    born_at: float
    sent_at: float | None = None
    stored_at: float | None = None


@dataclass(frozen=True)
class Event:
    """One alarm event, as ingest stored it, and what alerts made of it."""

    event_id: str
    identity: str
    payload_sha256: str
    device_id: str
    alarm_id: str | None = None
    notification_id: str | None = None


@dataclass(frozen=True)
class Alarm:
    """As it stands in the end. `events`: of how many it is; `taken`: a person has or had it, or it is over."""

    alarm_id: str
    device_id: str
    kind: str
    priority: int
    test: bool
    taken: bool
    events: int = 1


@dataclass(frozen=True)
class Told:
    """One notification that a hub has, from its first delivery."""

    hub_id: str
    notification_id: str
    alarm_id: str | None
    body_sha256: str
    at: float
    deliveries: int = 1


@dataclass(frozen=True)
class Incident:
    """A fault that was made, from its beginning until all was mended; `trouble`: it did not bite, or could not be mended."""

    fault: str
    began_at: float
    ended_at: float
    of: str = ""
    trouble: str | None = None


@dataclass(frozen=True)
class Memory:
    """One process from its start to its end, as (monotonic seconds, MiB). A database's own rises until its buffers are full."""

    name: str
    samples: Sequence[tuple[float, float]]
    is_judged: bool = True


@dataclass(frozen=True)
class Seen:
    """All that the verdict goes by."""

    presses: Sequence[Press] = ()
    events: Sequence[Event] = ()
    alarms: Sequence[Alarm] = ()
    told: Sequence[Told] = ()
    incidents: Sequence[Incident] = ()
    memory: Sequence[Memory] = ()
    event_log_rows: int = 0
    audit_violations: float = 0
    broken_promises: Sequence[str] = ()
    """What hubs themselves noticed: another body under one id."""
    refusals: int = 0
    ended_by_themselves: Sequence[str] = ()
    bad_ends: Sequence[str] = ()
    unready: Sequence[str] = ()
    pending_deliveries: int = 0
    gaps: Mapping[str, int] = field(default_factory=dict)
    takeovers: int = 0
    not_tried: Mapping[str, str] = field(default_factory=dict)
    """Faults that this machine can't make, and why."""


class What(StrEnum):
    """What can be wrong. The first five are losses, the next two duplicates."""

    NOT_STORED = "lost: a press that is not stored"
    UNTRUE_RECEIPT = "lost: a receipt for what is not stored"
    NO_ALARM = "lost: an event that became no alarm"
    TOLD_NOBODY = "lost: a press that no hub was told of"
    TAKEN_BY_NOBODY = "an alarm that nobody has taken"
    TWO_ALARMS = "duplicated: one event, more than one alarm"
    TWO_BODIES = "duplicated: one notification id, two bodies"
    ALARM_OF_NOTHING = "an alarm of no event"
    NOT_DRAINED = "rows left in the event log"
    AUDIT = "the auditor finds what is overdue"
    REFUSED = "requests that were refused"
    ENDED = "a process that ended by itself"
    BAD_END = "a process that did not end as told"
    UNREADY = "not ready in the end"
    NOT_MENDED = "a fault that did not bite, or could not be mended"
    MEMORY = "memory that rises"


LOSSES: Final = frozenset({What.NOT_STORED, What.UNTRUE_RECEIPT, What.NO_ALARM, What.TOLD_NOBODY})
DUPLICATES: Final = frozenset({What.TWO_ALARMS, What.TWO_BODIES})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and of whom."""

    what: What
    whom: str


@dataclass(frozen=True)
class Delays:
    """From the press to the first hub that has it, in seconds, sorted."""

    s: Sequence[float]

    def percentile(self, share: float) -> float:
        """The nearest rank; NaN of none."""
        return self.s[max(0, math.ceil(share * len(self.s)) - 1)] if self.s else math.nan


@dataclass(frozen=True)
class Verdict:
    """`findings` is empty when all is well; `is_complete`: and every fault could be made.

    `worst_s`: by fault, the longest wait of a press that was made under it.
    """

    findings: Sequence[Finding]
    is_complete: bool
    calm: Delays
    under_a_fault: Delays
    worst_s: Mapping[str, float]
    stored: int
    delivered: int
    acknowledged: int
    needing_person: int

    @property
    def lost(self) -> int:
        return sum(each.what in LOSSES for each in self.findings)

    @property
    def duplicated(self) -> int:
        return sum(each.what in DUPLICATES for each in self.findings)


def judge(seen: Seen) -> Verdict:
    """What is wrong, and how long hubs waited."""
    events = {(each.device_id, each.payload_sha256): each for each in seen.events}
    alarms = {each.alarm_id: each for each in seen.alarms}
    hubs = _Hubs(seen.told)
    found = [*_of_events(seen.events), *_of_alarms(seen.alarms), *_of_bodies(seen), *_of_the_house(seen)]
    found += [Finding(What.MEMORY, _rise_of(each)) for each in seen.memory if rises(each)]
    stored = delivered = acknowledged = 0
    calm: list[float] = []
    faulty: list[float] = []
    worst_s = {incident.fault: 0.0 for incident in seen.incidents}
    for press in seen.presses:
        event = events.get((press.device_id, press.payload_sha256))
        if event is None:
            untrue = press.stored_at is not None
            found.append(Finding(What.UNTRUE_RECEIPT if untrue else What.NOT_STORED, _name(press)))
            continue
        stored += 1
        told_at = hubs.heard_at(event, press.born_at)
        if told_at is not None:
            delivered += 1
            waited_s = told_at - press.born_at
            under = {each.fault for each in seen.incidents if is_under(press.born_at, each)}
            (faulty if under else calm).append(waited_s)
            worst_s |= {fault: max(worst_s[fault], waited_s) for fault in under}
        elif press.needs_person:
            found.append(Finding(What.TOLD_NOBODY, f"{_name(press)}, event {event.event_id}"))
        alarm = alarms.get(event.alarm_id or "")
        acknowledged += bool(press.needs_person and alarm and alarm.taken)
    return Verdict(
        findings=found,
        is_complete=not seen.not_tried,
        calm=Delays(sorted(calm)),
        under_a_fault=Delays(sorted(faulty)),
        worst_s=worst_s,
        stored=stored,
        delivered=delivered,
        acknowledged=acknowledged,
        needing_person=sum(press.needs_person for press in seen.presses),
    )


class _Hubs:
    """When hubs were told what, all of them together."""

    def __init__(self, told: Sequence[Told]) -> None:
        self._by_notification: dict[str, float] = {}
        self._by_alarm: dict[str, list[float]] = defaultdict(list)
        for each in told:
            known = self._by_notification.get(each.notification_id, math.inf)
            self._by_notification[each.notification_id] = min(known, each.at)
            if each.alarm_id is not None:
                self._by_alarm[each.alarm_id].append(each.at)

    def heard_at(self, event: Event, born_at: float) -> float | None:
        """When the first had the news of this event, or later news of its alarm; None: none has."""
        exact = self._by_notification.get(event.notification_id or "")
        if exact is not None:
            return exact
        return min((at for at in self._by_alarm.get(event.alarm_id or "", ()) if at >= born_at), default=None)


def is_under(at: float, incident: Incident) -> bool:
    """Whether a press then may meet it, or what is left of it."""
    return incident.began_at - BEFORE_S <= at <= incident.ended_at + AFTERMATH_S


def slope_mib_per_h(memory: Memory) -> float:
    """By least squares over the last two thirds; 0 of fewer than three samples."""
    samples = _after_warm_up(memory)
    if len(samples) < 3:
        return 0.0
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_m = sum(m for _, m in samples) / len(samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 3600 * sum((t - mean_t) * (m - mean_m) for t, m in samples) / spread if spread else 0.0


def rises(memory: Memory) -> bool:
    """The rule: over the last two thirds of a life of ten minutes or more the fitted line rises by more than 10 MiB."""
    samples = memory.samples
    if not memory.is_judged or len(samples) < 3 or samples[-1][0] - samples[0][0] < JUDGED_FROM_S:
        return False
    fitted = _after_warm_up(memory)
    return slope_mib_per_h(memory) * (fitted[-1][0] - fitted[0][0]) / 3600 > RISE_MIB_MAX


def _after_warm_up(memory: Memory) -> Sequence[tuple[float, float]]:
    if not memory.samples:
        return ()
    first, last = memory.samples[0][0], memory.samples[-1][0]
    return [each for each in memory.samples if each[0] >= first + (last - first) * WARM_UP_SHARE]


def _rise_of(memory: Memory) -> str:
    return f"{memory.name}: {slope_mib_per_h(memory):.0f} MiB/h"


def _of_events(events: Sequence[Event]) -> list[Finding]:
    """Each has one alarm; the same bytes under one identity are one event."""
    found = [Finding(What.NO_ALARM, f"{each.device_id}, event {each.event_id}") for each in events if not each.alarm_id]
    times = Counter(f"{each.device_id}, identity {each.identity[:12]}, {each.payload_sha256[:12]}" for each in events)
    times.update(Counter(f"{each.device_id}, event {each.event_id}" for each in events))
    return found + [Finding(What.TWO_ALARMS, f"{whose}, {count} times") for whose, count in times.items() if count > 1]


def _of_alarms(alarms: Sequence[Alarm]) -> list[Finding]:
    found = [Finding(What.ALARM_OF_NOTHING, _named(each)) for each in alarms if each.events == 0]
    waiting = (each for each in alarms if not (each.taken or each.test) and each.priority < 5)
    return found + [Finding(What.TAKEN_BY_NOBODY, _named(each)) for each in waiting]


def _of_bodies(seen: Seen) -> list[Finding]:
    """Of one notification all hubs have the same."""
    bodies: dict[str, set[str]] = defaultdict(set)
    for each in seen.told:
        bodies[each.notification_id].add(each.body_sha256)
    found = [Finding(What.TWO_BODIES, whose) for whose, different in bodies.items() if len(different) > 1]
    return found + [Finding(What.TWO_BODIES, promise) for promise in seen.broken_promises]


def _of_the_house(seen: Seen) -> list[Finding]:
    counted = {
        What.NOT_DRAINED: seen.event_log_rows,
        What.AUDIT: seen.audit_violations,
        What.REFUSED: seen.refusals,
    }
    found = [Finding(what, f"{count:g}") for what, count in counted.items() if count]
    found += [Finding(What.ENDED, each) for each in seen.ended_by_themselves]
    found += [Finding(What.BAD_END, each) for each in seen.bad_ends]
    found += [Finding(What.UNREADY, each) for each in seen.unready]
    return found + [
        Finding(What.NOT_MENDED, f"{each.fault}: {each.trouble}") for each in seen.incidents if each.trouble
    ]


def _name(press: Press) -> str:
    return f"{press.device_id}, {press.payload_sha256[:12]}" + ("" if press.sent_at else ", never sent")


def _named(alarm: Alarm) -> str:
    return f"{alarm.alarm_id}, {alarm.kind} of {alarm.device_id}, priority {alarm.priority}"
