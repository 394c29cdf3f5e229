"""`telecare doctor`: looks at what the service stands on, and says in plain words what to do about each finding.

Nothing it prints holds a secret: URLs are named by their variable, never shown.
"""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text

from services.chassis.settings import Settings
from services.cli.doctor.broker import examine_broker
from services.cli.doctor.database import examine_database
from services.cli.doctor.finding import Finding
from services.cli.doctor.hearing import examine_hearing
from services.cli.doctor.identity import examine_identity
from services.cli.doctor.installation import examine_installation
from services.cli.doctor.messages import examine_messages
from services.cli.doctor.presented import examine_presented
from services.cli.doctor.register import examine_register
from services.cli.doctor.sealed import examine_sealed
from services.cli.terminal import plain

_SIGNS = {"good": ("ok   ", "green"), "note": ("note ", "yellow"), "wrong": ("WRONG", "bold red")}


async def examine(settings: Settings) -> int:
    """Print the findings; return the exit code: 1 if something is wrong, else 0."""
    console = Console(highlight=False, soft_wrap=True)
    levels: Counter[str] = Counter()
    looks = (
        examine_database,
        examine_broker,
        examine_hearing,
        examine_register,
        examine_installation,
        examine_sealed,
        examine_presented,
        examine_messages,
        examine_identity,
    )
    for check in looks:
        for finding in await check(settings):
            _show(console, finding)
            levels[finding.level] += 1
    console.print(f"{levels['good']} in order, {levels['note']} to consider, {levels['wrong']} wrong")
    return 1 if levels["wrong"] else 0


def _show(console: Console, finding: Finding) -> None:
    sign, style = _SIGNS[finding.level]
    console.print(Text.assemble((sign, style), "  ", plain(f"{finding.area:<9} {finding.what}")))
    if finding.advice:
        console.print(Text(plain(f"       {'':<9} → {finding.advice}")))
