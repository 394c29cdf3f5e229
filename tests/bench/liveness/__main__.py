"""`python -m tests.bench.liveness`: exit code 1 if a silence that should be told was told by nobody."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.liveness.rules import ours, plain
from tests.bench.liveness.tally import Tally, delay_s, tally
from tests.bench.liveness.trace import Cause, make_month

_FALSE_SHARE_MAX: Final = 0.1


def main() -> None:
    """Judge, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.liveness", description=__doc__)
    parser.add_argument("--devices", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1, help="another month")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 132)
    started_at = time.monotonic()
    month = make_month(options.devices, options.seed)
    rules = {
        'plain "last seen + time-out"': tally(month, plain),
        "ours": tally(month, lambda device: ours(device, month)),
    }
    console.print(_table(rules, options.devices))
    reference, own = rules.values()
    both = reference.delays_s.keys() & own.delays_s.keys()
    _say(
        console,
        own.false_alarms <= _FALSE_SHARE_MAX * reference.false_alarms,
        f"false alarms at most a tenth: {own.false_alarms} against {reference.false_alarms}",
    )
    _say(
        console,
        delay_s(own, 0.99, both) <= delay_s(reference, 0.99, both),
        f"no later (p99): {delay_s(own, 0.99, both):,.0f} s against {delay_s(reference, 0.99, both):,.0f} s",
    )
    _say(console, own.missed == 0, f"no silence missed: {own.missed} of {own.silences}")
    console.print(f"took {time.monotonic() - started_at:.0f} s", highlight=False)
    sys.exit(1 if own.missed else 0)


def _table(rules: dict[str, Tally], devices: int) -> Table:
    table = Table(title=f"A month of {devices:,} devices", title_justify="left")
    table.add_column("")
    for name in rules:
        table.add_column(name, justify="right")
    tallies = list(rules.values())
    table.add_row("silences that should be told", *(f"{each.silences:,}" for each in tallies))
    table.add_row("  of which nobody was told", *(f"{each.missed:,}" for each in tallies))
    table.add_row("verdicts", *(f"{each.told:,}" for each in tallies))
    table.add_row("  false: it could have called", *(f"{each.false_alarms:,}" for each in tallies))
    for cause in Cause:
        if any(each.false[cause] for each in tallies):
            table.add_row(f"    {cause.value}", *(f"{each.false[cause]:,}" for each in tallies))
    told_by_all = set.intersection(*({*each.delays_s} for each in tallies))
    for share in (0.5, 0.9, 0.99):
        table.add_row(
            f"told after, p{share * 100:g}", *(f"{delay_s(each, share, told_by_all):,.0f} s" for each in tallies)
        )
    return table


def _say(console: Console, reached: bool, what: str) -> None:
    console.print(f"{'reached' if reached else 'NOT REACHED'}: {what}", highlight=False)


if __name__ == "__main__":
    main()
