"""The figures as people read them, and whether they reach the targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.alarms import Delays
from tests.bench.flat_out import Round
from tests.bench.lag import Lag
from tests.bench.meter import Cost
from tests.bench.paced import Paced
from tests.bench.sweep import Swept

RATIO_MIN: Final = 0.5
LOADED_P99_MS_MAX: Final = 150
IDLE_P50_MS_MAX: Final = 15
IDLE_P99_MS_MAX: Final = 50
PASS_S_MAX: Final = 2.0
HOT_MIN: Final = 0.99
LAG_S_MAX: Final = 5.0
_BARS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Verdict:
    """What was to be reached, and what was."""

    target: str
    reached: bool
    figure: str


class Report:
    """Prints each result as it comes, and in the end the verdicts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._verdicts: list[Verdict] = []
        self.lost = 0
        """Heartbeats and alarms: the one figure that must be nought on any machine."""

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def flat_out(self, rounds: Sequence[Round]) -> None:
        """Rates and ratio of every round, and the costs in the middle one."""
        table = Table(
            "round", "reference", "service", "ratio", title="Flat out (heartbeats/s, first sent to last committed)"
        )
        for number, each in enumerate(rounds, 1):
            table.add_row(
                str(number), f"{each.reference.per_s:,.0f}", f"{each.service.per_s:,.0f}", f"{each.ratio:.2f}"
            )
        self._console.print(table)
        middle = sorted(rounds, key=lambda each: each.ratio)[len(rounds) // 2]
        self._costs("Flat out, reference", middle.reference.costs)
        self._costs("Flat out, service", middle.service.costs)
        ratio = median(each.ratio for each in rounds)
        lost = sum(each.lost for each in rounds)
        self.lost += lost
        self._judge(f"flat out at least {RATIO_MIN} of the reference", ratio >= RATIO_MIN, f"{ratio:.2f} (median)")
        self._judge("flat out, every heartbeat stored", lost == 0, f"{lost} not")

    def paced(self, result: Paced) -> None:
        """The minute: rate, loss, backlog, costs, alarms."""
        backlog = result.backlog
        self.say(
            f"\n[bold]Paced[/]: {result.sent:,} heartbeats sent in {result.sent_in_s:.1f} s = {result.per_s:,.0f}/s, "
            f"{result.stored:,} stored\n"
            f"backlog (sent, not yet stored) {_sparkline(backlog.heartbeats)}  median {median(backlog.heartbeats):,.0f}, "
            f"most {max(backlog.heartbeats):,}, last {backlog.heartbeats[-1]:,}, growing by {backlog.growth_per_s:,.0f}/s"
        )
        self._costs("Paced", result.costs)
        self._delays("while paced", result.alarms)
        self.lost += result.sent - result.stored
        held = result.per_s >= backlog.per_s * 0.99
        self._judge(f"{backlog.per_s:,.0f} heartbeats/s held", held, f"{result.per_s:,.0f}/s")
        self._judge("every one stored", result.stored == result.sent, f"{result.stored:,} of {result.sent:,}")
        self._judge("backlog flat", backlog.is_flat, f"{backlog.growth_per_s:+,.0f}/s")
        p99_ms = result.alarms.p99_ms
        self._judge(
            f"alarm p99 meanwhile at most {LOADED_P99_MS_MAX} ms", p99_ms <= LOADED_P99_MS_MAX, f"{p99_ms:.1f} ms"
        )

    def idle(self, delays: Delays) -> None:
        """Alarms alone."""
        self._delays("idle", delays)
        p50_ms, p99_ms = delays.p50_ms, delays.p99_ms
        self._judge(f"idle alarm p50 at most {IDLE_P50_MS_MAX} ms", p50_ms <= IDLE_P50_MS_MAX, f"{p50_ms:.1f} ms")
        self._judge(f"idle alarm p99 at most {IDLE_P99_MS_MAX} ms", p99_ms <= IDLE_P99_MS_MAX, f"{p99_ms:.1f} ms")

    def swept(self, result: Swept) -> None:
        """A pass over the whole fleet, by whoever begins to sweep and so knows nothing of it."""
        self.say(
            f"[bold]Sweep[/] over {result.devices:,} devices: first pass {result.first_s:.2f} s "
            f"({result.first_s / result.reference_s:.1f} times a bare statement that reads them all, {result.reference_s:.2f} s), "
            f"steady pass {result.steady_s * 1000:.0f} ms; {result.told:,} that fell silent together told of in "
            f"{result.telling_s:.2f} s; updates that are HOT {result.hot:.2%}"
        )
        self._judge(
            f"a pass over {result.devices:,} devices within {PASS_S_MAX:.0f} s",
            max(result.first_s, result.steady_s) <= PASS_S_MAX,
            f"{result.first_s:.2f} s",
        )
        self._judge("heartbeats' updates are HOT", result.hot >= HOT_MIN, f"{result.hot:.2%}")

    def lags(self, result: Lag) -> None:
        """How soon whoever falls silent is told of, by how many do so in a second."""
        held = [each.per_s for each in result.stretches if each.per_s is not None and each.max_s <= LAG_S_MAX]
        self.lost += sum(each.missed for each in (*result.stretches, result.at_once))
        self.say(
            f"[bold]Lag[/] of {result.devices:,} devices: at most {LAG_S_MAX:.0f} s up to {max(held, default=0):,} silences a "
            f"second; a quarter at one instant told of in {result.at_once.max_s:.1f} s, {result.at_once_us:.0f} µs a verdict, "
            f"{result.ratio:.1f} times a bare statement's ({result.bare_us:.0f} µs)"
        )
        first = result.stretches[0]
        self._judge(
            f"at {first.per_s:,} silences a second each told of within {LAG_S_MAX:.0f} s",
            first.max_s <= LAG_S_MAX and first.missed == 0,
            f"{first.max_s:.1f} s",
        )

    def verdicts(self) -> None:
        """Which targets were reached."""
        table = Table("target", "", "figure", title="Targets")
        for each in self._verdicts:
            word = "[green]reached[/]" if each.reached else "[red bold]not reached[/]"
            table.add_row(each.target, word, each.figure)
        self._console.print(table)

    def _judge(self, target: str, reached: bool, figure: str) -> None:
        self._verdicts.append(Verdict(target, reached, figure))

    def _costs(self, title: str, costs: Mapping[str, Cost]) -> None:
        table = Table("process", "CPU µs/heartbeat", "memory MiB", title=f"{title}: what each part costs")
        for name, cost in costs.items():
            table.add_row(name, f"{cost.cpu_us:.1f}", f"{cost.memory_mib:.0f}")
        self._console.print(table)

    def _delays(self, when: str, delays: Delays) -> None:
        self.lost += delays.lost
        self.say(
            f"[bold]Alarms {when}[/], publish → webhook: {len(delays.ms)} told, {delays.lost} lost, {delays.escalated} escalated; "
            f"p50 {delays.p50_ms:.1f} ms, p90 {delays.percentile(90):.1f} ms, p99 {delays.p99_ms:.1f} ms, "
            f"most {max(delays.ms):.1f} ms"
        )


def _sparkline(values: Iterable[int]) -> str:
    heights = [max(value, 0) for value in values]
    top = max(*heights, 1)
    return "".join(_BARS[height * (len(_BARS) - 1) // top] for height in heights)
