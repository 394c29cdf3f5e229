"""What a rule's verdicts are worth: which were false, which silences nobody was told of, and how soon the others were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tests.bench.liveness.rules import Verdict
from tests.bench.liveness.trace import MONTH_S, UNABLE, Cause, Device, Month, Span

Rule: TypeAlias = Callable[[Device], Iterable[Verdict]]
Silence: TypeAlias = tuple[str, float]
"""A device, and when it could no longer call for help."""

_ON_ITS_WAY_S: Final = 5.0
_FAIR_S: Final = 120.0  # whoever is back so soon after its time-out need not have been told of


@dataclass(slots=True)
class Tally:
    """`false` by why the device was not heard: it could have called for help."""

    told: int = 0
    false: Counter[Cause] = field(default_factory=Counter)
    silences: int = 0
    missed: int = 0
    delays_s: dict[Silence, float] = field(default_factory=dict)  # of those that were not known already

    @property
    def false_alarms(self) -> int:
        return self.false.total()


def delay_s(tally: Tally, share: float, among: AbstractSet[Silence]) -> float:
    """Within which that share of these silences was told by the rule; nought where there was none."""
    ordered = sorted(tally.delays_s[each] for each in among)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def tally(month: Month, rule: Rule) -> Tally:
    """The whole fleet."""
    result = Tally()
    for device in month.devices:
        verdicts = list(rule(device))
        unable = device.unable()
        result.told += len(verdicts)
        for verdict in verdicts:
            had_its_chance_at = verdict.at - device.kind.interval_s - _ON_ITS_WAY_S
            if not any(span.start <= verdict.at and had_its_chance_at < span.end for span in unable):
                result.false[_why(device, verdict)] += 1
        _detections(result, month, device, unable, verdicts)
    return result


def _why(device: Device, verdict: Verdict) -> Cause:
    """The longest of what kept it from being heard, of that which kept it from nothing else."""
    gap = Span(verdict.gap.heard_at, verdict.gap.again_at)
    causes = [each for each in device.disturbances if each.cause not in UNABLE and each.span.meets(gap)]
    return max(causes, key=lambda each: each.span.length).cause if causes else Cause.LOSS


def _detections(
    result: Tally, month: Month, device: Device, unable: Sequence[Span], verdicts: Sequence[Verdict]
) -> None:
    """Silences that were long enough to be told, each by the first verdict that stood while it lasted."""
    long_enough = device.kind.silent_after_s + device.kind.interval_s + _FAIR_S
    for span in unable:
        if _heard_time_s(span, month.blind) < long_enough or span.end >= MONTH_S:
            continue
        result.silences += 1
        standing = [each for each in verdicts if each.at < span.end and each.until > span.start]
        if not standing:
            result.missed += 1
        elif standing[0].at >= span.start:
            result.delays_s[device.device_id, span.start] = standing[0].at - span.start


def _heard_time_s(span: Span, blind: Sequence[Span]) -> float:
    """What is left of it when the time is taken away in which nobody could have noticed: that has an alarm of its own."""
    return span.length - sum(max(0.0, min(span.end, each.end) - max(span.start, each.start)) for each in blind)
