"""What the terminal shows: each alarm on its way, as its box learns of it, and the fleet's totals."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.terminal import say
from services.simulator import AlarmTrace, Fleet, FleetEvent, Totals

_LINES = 16
_REFRESH_PER_S = 8
_MILESTONES = ("stored", "notified", "acknowledged", "closed")
# What the receipts call `notified` is, to a person watching, that the hub has it.
_WORDS = {"notified": "delivered"}
_LINES_AROUND = 4  # a blank one, the headings, a blank one, and the one where the terminal's own ^C appears
_TABLE_WIDTH = 108  # of the longest words
_DEVICE_WIDTH = len("TC-000001")
_DELAY_WIDTH = len("100.0 s")


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the run's alarms. `worst_delivery_s`: the longest from press to hub."""

    totals: Totals
    delivered: int
    worst_delivery_s: float
    elapsed_s: float

    @property
    def is_good(self) -> bool:
        """Every alarm stored and delivered, and every one that needs a person acknowledged."""
        totals = self.totals
        return (
            totals.alarms > 0
            and totals.stored == totals.alarms
            and self.delivered == totals.alarms
            and totals.acknowledged == totals.needing_person
        )

    def lines(self) -> Iterator[str]:
        totals = self.totals
        yield (
            f"in {self.elapsed_s:.0f} s: {totals.heartbeats:,} heartbeats and {totals.alarms:,} alarms from {totals.boxes:,} boxes"
        )
        yield (
            f"alarms: {totals.sent:,} sent · {totals.stored:,} stored · {self.delivered:,} delivered · "
            f"{totals.acknowledged:,} of the {totals.needing_person:,} that need a person acknowledged"
        )
        yield (
            f"worst delay: stored after {totals.stored_delay_s_max * 1000:.0f} ms · delivered after "
            f"{self.worst_delivery_s * 1000:.0f} ms · acknowledged after {totals.acknowledged_delay_s_max:.1f} s"
        )


class View:
    """Watches the fleet while it is entered; what `sees` an event is the subclass's."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._started_at = time.monotonic()
        self._delivered = 0
        self._worst_delivery_s = 0.0
        self._totals = Totals()

    def summary(self) -> Summary:
        """As of now, or of the moment the view was left."""
        return Summary(self._totals, self._delivered, self._worst_delivery_s, time.monotonic() - self._started_at)

    def sees(self, event: FleetEvent, trace: AlarmTrace) -> None:
        """Something happened to an alarm."""

    def _watch(self, event: FleetEvent) -> None:
        trace = event.trace
        if trace is None:
            return
        # An acknowledgement or a close can overtake the receipt that says `notified`; either means that a hub has it.
        reached = [at for at in (trace.notified_at, trace.acknowledged_at, trace.closed_at) if at is not None]
        if event.name in {"notified", "acknowledged", "closed"} and len(reached) == 1:
            self._delivered += 1
            self._worst_delivery_s = max(self._worst_delivery_s, event.at - trace.born_at)
        self.sees(event, trace)

    def __enter__(self) -> Self:
        self._unwatch = self.fleet.watch(self._watch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._totals = self.fleet.totals()
        self._unwatch()


class PlainView(View):
    """One line per milestone, for logs and pipes."""

    def __init__(self, fleet: Fleet, introduction: Sequence[str]) -> None:
        super().__init__(fleet)
        for line in introduction:
            say(line)

    def sees(self, event: FleetEvent, trace: AlarmTrace) -> None:
        if event.name == "sent":
            say(f"{_clock()}  {_who(trace)}  sent")
        elif event.name in _MILESTONES:
            word = _WORDS.get(event.name, event.name)
            say(f"{_clock()}  {_who(trace)}  {word:<12} after {_delay(event.at - trace.born_at)}")


class LiveView(View):
    """The newest alarms, each on one line that fills up, and the totals below."""

    def __init__(self, fleet: Fleet, introduction: Sequence[str], console: Console) -> None:
        super().__init__(fleet)
        self._introduction = introduction
        self._console = console
        self._alarms: deque[AlarmTrace] = deque(maxlen=_LINES)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=_REFRESH_PER_S)

    def sees(self, event: FleetEvent, trace: AlarmTrace) -> None:
        if event.name == "born":
            self._alarms.append(trace)

    def __enter__(self) -> Self:
        super().__enter__()
        # Once, above what is redrawn: soft, so that an address or the token can be copied whole.
        for line in self._introduction:
            self._console.print(line, soft_wrap=True)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._live.__exit__(kind, error, trace)

    def _render(self) -> Group:
        footer = self._footer()
        # What does not fit is cut at the bottom, where the totals are: so older alarms make room for them.
        taken = len(footer.wrap(self._console, self._console.width)) + _LINES_AROUND
        room = max(1, self._console.height - taken)
        # Where a line is too narrow, the words give way; who and how long after never do.
        table = Table(box=None, pad_edge=False, header_style="bold", width=min(self._console.width, _TABLE_WIDTH))
        table.add_column("device", no_wrap=True, width=_DEVICE_WIDTH)
        table.add_column("council", no_wrap=True, ratio=2)
        table.add_column("alarm", no_wrap=True, ratio=3)
        for name in _MILESTONES:
            heading = _WORDS.get(name, name)
            table.add_column(heading, justify="right", no_wrap=True, width=max(len(heading), _DELAY_WIDTH))
        for alarm in list(self._alarms)[-room:]:
            table.add_row(
                alarm.device_id,
                alarm.council_id,
                Text(_what(alarm), style="" if alarm.is_settled else "bold"),
                *(_milestone(alarm, name) for name in _MILESTONES),
            )
        return Group("", table, "", footer)

    def _footer(self) -> Text:
        totals = self.fleet.totals()
        waiting = totals.needing_person - totals.acknowledged
        return Text.assemble(
            f"{totals.connected}/{totals.boxes} boxes online · {totals.heartbeats:,} heartbeats · alarms: {totals.sent:,} sent · "
            f"{totals.stored:,} stored · {self._delivered:,} delivered · {totals.acknowledged:,} acknowledged · ",
            (f"{waiting} waiting for a person", "bold yellow" if waiting else "green"),
            "   (Ctrl-C ends it)",
        )


def _milestone(alarm: AlarmTrace, name: str) -> Text:
    at: float | None = getattr(alarm, f"{name}_at")
    if at is not None:
        return Text(_delay(at - alarm.born_at), style="green")
    return Text("…" if name == "stored" or (name != "closed" and alarm.occurrence.needs_person) else "", style="dim")


def _who(alarm: AlarmTrace) -> str:
    return f"{alarm.device_id}  {alarm.council_id:<18}  {_what(alarm):<32}"


def _what(alarm: AlarmTrace) -> str:
    occurrence = alarm.occurrence
    words = [occurrence.kind.replace("_", " ")]
    if occurrence.status != "activated":
        words.append(occurrence.status.replace("_", " "))
    if occurrence.test:
        words.append("(test)")
    if occurrence.garbling is not None:
        words.append(f"({occurrence.garbling.replace('_', ' ')})")
    return " ".join(words)


def _delay(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
