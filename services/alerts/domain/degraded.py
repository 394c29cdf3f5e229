"""When it is told that fewer devices are heard than should be, and of what they share; and when that is over. Pure.

Sooner than silence, which takes a model's time, and for less than blindness. Devices that are called silent are told of by
themselves, or by their outage: they are not missed here any more, and so it ends by itself when all who are missing are silent.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from contracts.alarm_event import AlarmEvent
from contracts.ids import CouncilId, EventId
from contracts.vocabulary import MONITORING_IMPAIRED
from services.alerts.domain.blindness import DEVICE
from services.alerts.domain.outages.chance import log_likelihood_ratio
from services.alerts.domain.outages.find import CONTRAST_MIN
from services.alerts.domain.outages.naming import is_readable

LOW: Final = 0.8
WELL: Final = 0.9
"""It begins below the one, and is over above the other."""
DEVICES_MIN: Final = 20
TOLD_AFTER: Final = timedelta(minutes=2)
"""Low for so long, it is told: a mast that restarts is nobody's business."""
STALE_AFTER: Final = timedelta(seconds=90)
"""Three counts of ingest's. What was counted before says nothing of now."""

_CLOCKS_DIFFER: Final = timedelta(seconds=5)
"""What is later than now by more was written before the clock was put back, and must not last until it is that late again."""

_NAMESPACE: Final = uuid.UUID("b0a6f1de-6f7f-4c62-9e0c-6e6a1f0c2d94")  # any constant of our own
_TEXT_MAX: Final = 128
_PERIPHERAL_MAX: Final = 32

Attribute: TypeAlias = Literal[
    "shard", "sim_operator", "cell", "network", "council", "postcode_district", "firmware", "model"
]
ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)
"""In the order in which the same devices are named by them: that of outages, after our own shard."""
_WORDS: Final[Mapping[Attribute, str]] = {
    "shard": "shard",
    "sim_operator": "mobile operator",
    "cell": "mobile cell",
    "network": "network",
    "council": "council",
    "postcode_district": "postcode district",
    "firmware": "firmware",
    "model": "model",
}

_COUNTED_IF_LOW: Final = frozenset[Attribute]({"cell", "network", "postcode_district", "firmware"})
"""Ingest counts by these only what is badly heard, and for a while after. One that it counts no more need not be silent."""

Ending: TypeAlias = Literal["heard", "silent", "uncounted", "outage", "blind"]
_ENDINGS: Final[Mapping[Ending, str]] = {
    "heard": "are heard again",
    "silent": "that are not heard are told of as silent, or watched no more",
    "uncounted": "are no longer badly heard: they are heard, told of as silent, or watched no more",
    "outage": "that are not heard are an outage, and told of as that",
    "blind": "can't be heard at all now: see the alarm of that",
}


class Share(NamedTuple):
    """What devices have in common: operator 23410, say."""

    attribute: Attribute
    value: str

    @property
    def shown(self) -> str:
        """The value, without what can't be printed: one that a release before told by it may end now."""
        return "".join(each if each.isprintable() else "\ufffd" for each in self.value)

    @property
    def peripheral_id(self) -> str:
        """Within the contract's length, fit to be read, and no other's: a device may tell anything as its firmware."""
        plain = f"{self.attribute} {self.value}"
        if len(plain) <= _PERIPHERAL_MAX and plain.isprintable():
            return plain
        plain, digest = f"{self.attribute} {self.shown}", hashlib.sha256(plain.encode()).hexdigest()[:6]
        return f"{plain[: _PERIPHERAL_MAX - len(digest) - 1]}~{digest}"


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that have all of it in common, as ingest counted them (`ingest.hearing_by_share`); "" is not known, or not named.

    What nobody can read is no share, as it names no outage: they are told of by what else they have.
    """

    shard: str
    council_id: str
    model: str
    sim_operator: str
    expected: int
    heard: int
    silent: int
    counted_at: datetime
    cell: str = ""
    postcode_district: str = ""
    firmware: str = ""
    network: str = ""

    shares: tuple[Share, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        near = (self.shard, self.sim_operator, self.cell, self.network)
        far = (self.council_id, self.postcode_district, self.firmware, self.model)
        values = zip(ATTRIBUTES, near + far, strict=True)
        shares = tuple(Share(attribute, value) for attribute, value in values if is_readable(value))
        object.__setattr__(self, "shares", shares)


@dataclass(frozen=True, slots=True)
class Sum:
    """Of some groups: how many are watched, how many of these should be heard, and how many are."""

    expected: int = 0
    due: int = 0
    heard: int = 0

    @property
    def missing(self) -> int:
        return self.due - self.heard

    @property
    def low(self) -> bool:
        return self.due >= DEVICES_MIN and self.heard < LOW * self.due

    @property
    def well(self) -> bool:
        return self.due == 0 or self.heard > WELL * self.due


@dataclass(frozen=True, slots=True)
class Degraded:
    """Low since a count. `told_at` None: not told, and perhaps never. `council_id`: theirs alone, when it was told."""

    share: Share
    low_since: datetime
    told_at: datetime | None = None
    council_id: CouncilId | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Low from this count on; nobody is told yet."""

    share: Share
    low_since: datetime


@dataclass(frozen=True, slots=True)
class Forget:
    """Not low any more, or nobody knows; nobody was told."""

    degraded: Degraded


@dataclass(frozen=True, slots=True)
class Tell:
    """Low for long enough."""

    degraded: Degraded
    sum: Sum


@dataclass(frozen=True, slots=True)
class End:
    """Over, of one that was told."""

    degraded: Degraded
    ending: Ending


Move: TypeAlias = Begin | Forget | Tell | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`deaf` are shards that hear nothing now, `blind` those of which that is told. `outages` are of silence, and open."""

    groups: Sequence[Group]
    known: Sequence[Degraded]
    deaf: AbstractSet[str] = frozenset()
    blind: AbstractSet[str] = frozenset()
    outages: AbstractSet[Share] = frozenset()


def judge(situation: Situation, now: datetime) -> Sequence[Move]:
    """What is different by `now`. Each share is begun, forgotten, told or ended at most once."""
    fresh = _fresh(situation, now)
    sums, since = _sums(fresh), max((group.counted_at for group in fresh), default=now)
    low = {share for share, each in sums.items() if each.low}
    put_back = {
        each.share for each in situation.known if each.told_at is None and each.low_since > now + _CLOCKS_DIFFER
    }
    told = [each for each in situation.known if each.told_at is not None]
    ending = {each.share: _ending(each.share, situation, sums) for each in told}
    moves: list[Move] = [End(each, why) for each in told if (why := ending[each.share])]
    lasting = {share for share, why in ending.items() if why is None}

    waiting = {each.share: each for each in situation.known if each.told_at is None}
    moves += [Forget(each) for share, each in waiting.items() if share not in low or share in put_back]
    moves += [Begin(share, since) for share in sorted(low - waiting.keys() - ending.keys())]
    for share in _explaining(fresh, low - ending.keys(), lasting | situation.outages):
        degraded = waiting.get(share)
        if degraded is not None and now - degraded.low_since >= TOLD_AFTER:
            council_id = _council(share, fresh)
            moves.append(Tell(Degraded(share, degraded.low_since, now, council_id), sums[share]))
    return moves


def degraded_event(degraded: Degraded, turn: Sum | Ending, now: datetime) -> AlarmEvent:
    """The event that raises the alarm (of how many are heard), or says that it is over, and why.

    Its id follows from what is told: told twice, it is one.
    """
    share = degraded.share
    raised = isinstance(turn, Sum)
    about = uuid.uuid5(_NAMESPACE, f"{share.attribute} {share.value} since {degraded.low_since.isoformat()}")
    made = uuid.uuid5(about, "failure" if raised else "restored")
    whose = f"{_WORDS[share.attribute]} {share.shown[:40]}"
    if isinstance(turn, Sum):
        text = f"Only {turn.heard} of {turn.due} devices of {whose} are heard, since {degraded.low_since:%H:%M:%S} UTC."
    else:
        text = f"Devices of {whose} {_ENDINGS[turn]}."
    return AlarmEvent(
        event_id=EventId(str(made)),
        device_id=DEVICE,
        council_id=degraded.council_id,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=now,
        kind=MONITORING_IMPAIRED,
        status="failure" if raised else "restored",
        peripheral_id=share.peripheral_id,
        location=None,
        text=text[:_TEXT_MAX],
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(str(made).encode()).hexdigest(),
    )


def _fresh(situation: Situation, now: datetime) -> Sequence[Group]:
    """What says something of now."""
    silent_ears = situation.deaf | situation.blind
    return [
        group
        for group in situation.groups
        if group.shard not in silent_ears and abs(now - group.counted_at) < STALE_AFTER
    ]


def _ending(share: Share, situation: Situation, sums: Mapping[Share, Sum]) -> Ending | None:
    """Why one that was told is over; None: it isn't, as far as anybody knows."""
    if share in situation.outages:
        return "outage"
    shards = {group.shard for group in situation.groups if share in group.shares}
    if shards and shards <= situation.blind:
        return "blind"
    counted = sums.get(share)
    if counted is None:  # counted no more, or not just now
        if shards:
            return None
        return "uncounted" if share.attribute in _COUNTED_IF_LOW else "silent"
    if not counted.well:
        return None
    return "heard" if counted.heard > WELL * counted.expected else "silent"


def _explaining(groups: Sequence[Group], low: AbstractSet[Share], explained: AbstractSet[Share]) -> Iterator[Share]:
    """Of those that are low, the one that explains best who is missing; then again without its devices.

    The best has the greatest likelihood ratio (Kulldorff, as for outages); does none stand out from the rest, for everything is
    as badly heard, it is the one that misses most. Ties are broken by `ATTRIBUTES`, then by the value.
    """
    left = _without(groups, explained.__contains__) if low else ()
    while left:
        sums = _sums(left)
        candidates = [share for share, each in sums.items() if each.low and share in low]
        if not candidates:
            break
        best = _best(candidates, sums, _total(left))
        yield best
        left = _without(left, best.__eq__)


def _best(candidates: Sequence[Share], sums: Mapping[Share, Sum], total: Sum) -> Share:
    ratios = {
        share: log_likelihood_ratio(sums[share].missing, sums[share].due, total.missing, total.due)
        for share in candidates
    }
    stands_out = max(ratios.values()) >= log(len(sums)) + CONTRAST_MIN

    def rank(share: Share) -> tuple[float, int, int, str]:
        ratio = -ratios[share] if stands_out else 0.0
        return ratio, -sums[share].missing, ATTRIBUTES.index(share.attribute), share.value

    return min(candidates, key=rank)


def _council(share: Share, groups: Sequence[Group]) -> CouncilId | None:
    """Whose all of them are that are missing; None: several councils'."""
    councils = {
        group.council_id for group in groups if share in group.shares and group.expected - group.silent > group.heard
    }
    return CouncilId(councils.pop()) if len(councils) == 1 else None


def _sums(groups: Sequence[Group]) -> dict[Share, Sum]:
    figures: dict[Share, list[int]] = {}
    for group in groups:
        due = group.expected - group.silent
        for share in group.shares:
            into = figures.setdefault(share, [0, 0, 0])
            into[0] += group.expected
            into[1] += due
            into[2] += group.heard
    return {share: Sum(*each) for share, each in figures.items()}


def _total(groups: Sequence[Group]) -> Sum:
    expected, silent = sum(group.expected for group in groups), sum(group.silent for group in groups)
    return Sum(expected, expected - silent, sum(group.heard for group in groups))


def _without(groups: Sequence[Group], is_gone: Callable[[Share], bool]) -> Sequence[Group]:
    return [group for group in groups if not any(map(is_gone, group.shares))]
