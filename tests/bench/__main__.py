"""`python -m tests.bench`: exit code 1 only if something was lost, for no machine's speed is a fault."""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import uvloop
from rich.console import Console

from tests.bench.alarms import Delays, Pressing
from tests.bench.flat_out import flat_out
from tests.bench.house import SERVICES, House, open_house
from tests.bench.lag import lag
from tests.bench.machine import Processors, machine, what_else_runs
from tests.bench.paced import paced
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.report import Report
from tests.bench.sweep import sweep

_T = TypeVar("_T")

SECTIONS = ("sweep", "lag", "flat-out", "idle", "paced")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="What the service can bear, on the real stack."
    )
    parser.add_argument("--quick", action="store_true", help="half a minute in all: whether it runs, not how fast")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be given twice")
    parser.add_argument("--one-process", action="store_true", help="`telecare up` in place of three processes")
    options = parser.parse_args()
    report = Report(Console(width=None if sys.stdout.isatty() else 132))
    layout = ("up",) if options.one_process else SERVICES
    uvloop.run(_bench(QUICK if options.quick else FULL, options.only or SECTIONS, layout, report))
    report.verdicts()
    sys.exit(1 if report.lost else 0)


async def _bench(plan: Plan, sections: Sequence[str], layout: Sequence[str], report: Report) -> None:
    report.say(f"[bold]telecare, measured[/] on {machine()}")
    report.say(await what_else_runs())
    started_at = time.monotonic()
    if "sweep" in sections:
        report.say(await what_else_runs())
        report.swept(await sweep(plan))
    if "lag" in sections:
        report.say(await what_else_runs())
        report.lags(await lag(plan, report.say))
    if not {*sections} - {"sweep", "lag"}:
        return
    async with open_house(plan, layout) as house:
        report.say(f"servers up, {plan.devices:,} devices on the register ({time.monotonic() - started_at:.0f} s)")
        if "flat-out" in sections:
            report.flat_out([await _measured(report, flat_out, house) for _ in range(plan.flat_out_rounds)])
        if {"idle", "paced"} & {*sections}:
            async with house.serving():
                if "idle" in sections:
                    report.idle(await _measured(report, _idle, house))
                if "paced" in sections:
                    report.paced(await _measured(report, paced, house))
    report.say(f"took {time.monotonic() - started_at:.0f} s")


async def _measured(report: Report, measure: Callable[[House], Awaitable[_T]], house: House) -> _T:
    """Do it, and say first what may disturb it."""
    report.say(await what_else_runs())
    processors = Processors()
    result = await measure(house)
    report.say(processors.since())
    return result


async def _idle(house: House) -> Delays:
    plan = house.plan
    return await Pressing(house).run(plan.idle_alarms, per_s=plan.idle_alarms_per_s, warm_up=plan.warm_up_alarms)


if __name__ == "__main__":
    main()
