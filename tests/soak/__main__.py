"""`python -m tests.soak`: exit code 1 when anything was lost or made twice, or what must always hold did not.

In CI (the variable) also when a fault could not be made on this machine.
"""

import argparse
import asyncio
import logging
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from tests.bench.machine import machine
from tests.soak.files import TooFewFiles, allow_connections
from tests.soak.judge import Verdict, judge
from tests.soak.plan import FULL, QUICK, Plan
from tests.soak.report import Report
from tests.soak.run import soak
from tests.soak.volume import go_on_alone
from tests.support.stack import REPOSITORY

_UNITS_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def main() -> None:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="The service under load and under faults."
    )
    parser.add_argument("--quick", action="store_true", help="every fault once, in some two minutes")
    parser.add_argument("--for", dest="for_s", type=_seconds, metavar="2m", help="30m unless said otherwise")
    parser.add_argument("--boxes", type=int)
    parser.add_argument(
        "--own", dest="boxes_with_lines", type=int, help="boxes that have a connection of their own, and may call"
    )
    parser.add_argument("--seed", type=int, help="of the faults and of what happens in homes")
    parser.add_argument("--logs", type=Path, default=REPOSITORY / "var" / "soak", help="of the service's processes")
    options = parser.parse_args()
    report = Report(Console(width=None if sys.stdout.isatty() else 132))
    plan = _plan(options)
    try:
        allow_connections(plan.boxes_with_lines)
    except TooFewFiles as reason:
        parser.error(str(reason))
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)  # a broker that is killed resets connections: no news here
    no_volume = go_on_alone()
    if no_volume:
        report.say(f"WITHOUT A VOLUME OF ITS OWN, the disk can't be filled: {no_volume}")
    options.logs.mkdir(parents=True, exist_ok=True)
    verdict = uvloop.run(_soak(plan, options.logs, report))
    is_good = not verdict.findings and (verdict.is_complete or not os.environ.get("CI"))
    sys.exit(0 if is_good else 1)


async def _soak(plan: Plan, logs: Path, report: Report) -> Verdict:
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)  # so that no process of ours is left
    report.say(f"telecare, soaked, on {machine()}; seed {plan.seed}; the processes' logs are in {logs}")
    soaked = await soak(plan, logs, report.say)
    verdict = judge(soaked.seen)
    report.figures(soaked, verdict)
    report.verdict(verdict)
    return verdict


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    said = {
        name: getattr(options, name)
        for name in ("for_s", "boxes", "boxes_with_lines", "seed")
        if getattr(options, name) is not None
    }
    plan = replace(plan, **said)
    return replace(plan, boxes_with_lines=min(plan.boxes, plan.boxes_with_lines))


def _seconds(text: str) -> float:
    """`90`, `20s`, `2m`, `1h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError("give a time like 90s, 2m or 1h")
    return float(found[1]) * _UNITS_S[found[2]]


if __name__ == "__main__":
    main()
