"""Times as a person in Scotland reads them, whatever their PC believes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")


def clock_time(at: datetime) -> str:
    """`14:02:11`."""
    return at.astimezone(LONDON).strftime("%H:%M:%S")


def day_and_time(at: datetime, now: datetime) -> str:
    """`14:02:11` today, `Sat 21 Nov, 14:02:11` this year, else with its year."""
    local, today = at.astimezone(LONDON), now.astimezone(LONDON).date()
    time = local.strftime("%H:%M:%S")
    if local.date() == today:
        return time
    day = f"{local:%a} {local.day} {local:%b}"
    return f"{day}, {time}" if local.year == today.year else f"{day} {local.year}, {time}"


def exact(at: datetime) -> str:
    """`Sunday 25 October 2026, 01:30:00 BST`: that hour comes twice a year."""
    local = at.astimezone(LONDON)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S %Z}"


def iso(at: datetime) -> str:
    """For the scripts, in UTC to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(length: timedelta) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`, `3 days`."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days"
