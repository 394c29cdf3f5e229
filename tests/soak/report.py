"""The figures as people read them."""

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.soak.judge import JUDGED_FROM_S, RISE_MIB_MAX, Delays, Memory, Verdict, slope_mib_per_h
from tests.soak.run import Soaked
from tests.soak.storms import storms

_FINDINGS_MAX = 40


class Report:
    """Prints."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def figures(self, soaked: Soaked, verdict: Verdict) -> None:
        """All that was counted."""
        seen = soaked.seen
        sent = sum((press.sent_at or press.stored_at) is not None for press in seen.presses)
        repeated = sum(told.deliveries - 1 for told in seen.told)
        drained = (
            f"drained in {soaked.drained_s:.1f} s" if soaked.drained_s is not None else "NOT drained within its time"
        )
        self.say(f"\nran {soaked.lived_s:.0f} s, {len(seen.incidents)} faults, {drained}")
        self.say(
            f"alarms: {len(seen.presses):,} pressed · {sent:,} sent (and {soaked.boxes.repeats:,} times again) · "
            f"{verdict.stored:,} stored · {verdict.delivered:,} delivered · "
            f"{verdict.acknowledged:,} of {verdict.needing_person:,} acknowledged · "
            f"{verdict.duplicated} duplicated · {verdict.lost} lost"
        )
        self.say(f"press → hub, no fault under way: {_delays(verdict.calm)}")
        self.say(f"press → hub, a fault under way:  {_delays(verdict.under_a_fault)}")
        self.say(
            f"hubs: {len(seen.told):,} notifications, {repeated:,} of them told again; "
            f"{seen.pending_deliveries:,} deliveries pending (receipts, too)"
        )
        gaps = seen.gaps
        self.say(
            f"gaps recorded: {gaps.get('session_gaps', 0)} of sessions ({gaps.get('certain_gaps', 0)} certain), "
            f"{gaps.get('hearing_lapses', 0)} lapses of hearing, {gaps.get('blindnesses', 0)} times blind; "
            f"takeovers of a shard: {seen.takeovers}; kinds of work overdue at worst: {soaked.audit_violations_max:.0f}"
        )
        self.say(f"heartbeats: {soaked.boxes.heartbeats:,} taken by the broker, {soaked.heartbeats:,} stored")
        self._faults(soaked, verdict.worst_s)
        self._processors(soaked)
        self._memory(seen.memory)

    def verdict(self, verdict: Verdict) -> None:
        """What is wrong, or that nothing is."""
        for finding in verdict.findings[:_FINDINGS_MAX]:
            self.say(f"WRONG  {finding.what}: {finding.whom}")
        if len(verdict.findings) > _FINDINGS_MAX:
            self.say(f"… and {len(verdict.findings) - _FINDINGS_MAX} more")
        if verdict.findings:
            self.say(f"FAILED: {len(verdict.findings)} findings")
        elif not verdict.is_complete:
            self.say("INCOMPLETE: nothing lost, nothing duplicated; but not every fault could be made on this machine")
        else:
            self.say("PASSED: nothing lost, nothing duplicated")

    def _faults(self, soaked: Soaked, worst_s: Mapping[str, float]) -> None:
        columns = ("fault", "times", "longest", "worst press → hub", "boxes cut off", "99 % back after")
        table = Table(*columns, title="Faults")
        incidents = soaked.seen.incidents
        broke = list(zip(incidents, storms(incidents, soaked.boxes.online, soaked.plan.boxes), strict=True))
        for fault, worst in worst_s.items():
            of_one = [(incident, storm) for incident, storm in broke if incident.fault == fault]
            longest = max(incident.ended_at - incident.began_at for incident, _ in of_one)
            back_s = [math.inf if storm.back_s is None else storm.back_s for _, storm in of_one]
            cut_off = max(storm.cut_off for _, storm in of_one)
            figures = (f"{longest:.1f} s", f"{worst:.1f} s", f"{cut_off:,}", f"{max(back_s):.1f} s")
            table.add_row(fault, str(len(of_one)), *figures)
        self._console.print(table)

    def _processors(self, soaked: Soaked) -> None:
        """The simulator must not be what limits the service."""
        used = sorted(soaked.cpu_s.items(), key=lambda each: -each[1])
        self.say(
            f"processors (100 % is one of {os.cpu_count()}): "
            + " · ".join(f"{name} {100 * cpu_s / soaked.lived_s:.1f} %" for name, cpu_s in used)
        )
        late_s, load = soaked.boxes.late_s, sorted(soaked.load)
        if late_s and load:
            p99_s = late_s[int(0.99 * (len(late_s) - 1))]
            self.say(
                f"the simulated boxes were late with what they had to do: p99 {p99_s * 1000:,.0f} ms, "
                f"worst {late_s[-1] * 1000:,.0f} ms; load of the machine {load[0]:.1f} to {load[-1]:.1f}"
            )

    def _memory(self, memory: Sequence[Memory]) -> None:
        table = Table("process", "start", "middle", "end", "lives", "longest life", "slope", title="Memory, MiB")
        lives: dict[str, list[Memory]] = defaultdict(list)
        for each in memory:
            lives[each.name].append(each)
        for name, of_one in lives.items():
            samples = [sample for life in of_one for sample in life.samples]
            longest = max(of_one, key=_lasted_s)
            first, middle, last = (samples[position][1] for position in (0, len(samples) // 2, -1))
            note = "" if not longest.is_judged or _lasted_s(longest) >= JUDGED_FROM_S else " (too short to judge)"
            slope = f"{slope_mib_per_h(longest):+.0f} MiB/h{note}"
            figures = (f"{each:.0f}" for each in (first, middle, last))
            table.add_row(name, *figures, str(len(of_one)), f"{_lasted_s(longest):.0f} s", slope)
        self._console.print(table)
        self.say(
            f"flat: a line fitted to the last two thirds of a life of {JUDGED_FROM_S:.0f} s or more rises by no more than "
            f"{RISE_MIB_MAX:.0f} MiB"
        )


def _lasted_s(memory: Memory) -> float:
    return memory.samples[-1][0] - memory.samples[0][0]


def _delays(delays: Delays) -> str:
    if not delays.s:
        return "none"
    p50, p99 = delays.percentile(0.5), delays.percentile(0.99)
    return f"{len(delays.s):,} alarms, p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms, worst {delays.s[-1] * 1000:,.0f} ms"
