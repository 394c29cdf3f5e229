"""A thousand alarms whose stories chance wrote: the database counts what a plain reading of each story counts."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from services.alerts.domain.kpis import PERCENTILES, Month
from services.alerts.http.asker import Scope
from services.alerts.kpis.store import read_month
from services.chassis.postgres import Connection
from tests.integration.alerts.kpis.past import Happened, alarm

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MONTHS = (Month(2026, 9), Month(2026, 10), Month(2026, 11))
ALARMS = 1000


@dataclass(frozen=True)
class Call:
    """Began to wait at, was answered after (None: by nobody yet)."""

    began_at: datetime
    waited_s: float | None
    priority: int


def chance(dice: random.Random) -> Iterator[Happened]:
    """The story of one alarm, until it is closed or somebody stops telling it."""
    priority, after_s = dice.choice((1, 1, 1, 2, 3, 4)), 0.0
    state = "open"
    yield Happened("raised", priority=priority)
    while state != "closed" and dice.random() < 0.85:
        after_s = round(after_s + 10 ** dice.uniform(0, 6), 3)
        if state == "open":
            event = dice.choice(("repeated", "escalated", "acknowledged", "acknowledged", "closed"))
            if event == "escalated" and dice.random() < 0.3:
                priority = max(1, priority - dice.choice((1, 2)))  # a more urgent event joined it
            state = {"acknowledged": "acknowledged", "closed": "closed"}.get(event, "open")
        else:
            event, state = dice.choice(
                (("released", "open"), ("repeated", "open"), ("repeated", "acknowledged"), ("closed", "closed"))
            )
        yield Happened(event, after_s, state, priority)


def calls(began_at: datetime, story: list[Happened]) -> Iterator[Call]:
    """Read as a person reads it, from the beginning to the end."""
    since: float | None = None
    for each in story:
        waits = each.leaves == "open" and each.priority <= 2
        if waits and since is None:
            since = each.after_s
        elif not waits and since is not None:
            yield Call(began_at + timedelta(seconds=since), each.after_s - since, each.priority)
            since = None
    if since is not None:
        yield Call(began_at + timedelta(seconds=since), None, story[-1].priority)


def no_calls(began_at: datetime, story: list[Happened]) -> Iterator[tuple[datetime, str]]:
    """What is left out, and when it happened."""
    before = "closed"
    for each in story:
        if each.leaves == "open" and before != "open" and each.priority > 2:
            yield began_at + timedelta(seconds=each.after_s), f"priority_{each.priority}"
        elif each.event == "repeated" and each.leaves == before:
            yield began_at + timedelta(seconds=each.after_s), "repeats"
        before = each.leaves


def nearest_rank(waits: list[float], share: float) -> float:
    return sorted(waits)[max(math.ceil(share * len(waits)), 1) - 1]


async def test_the_database_counts_what_a_plain_reading_counts(connection: Connection) -> None:
    dice = random.Random(20261122)
    written: list[Call] = []
    left_out: list[tuple[datetime, str]] = []
    async with connection.transaction():
        for _ in range(ALARMS):
            began_at = datetime(2026, 8, 25, tzinfo=UTC) + timedelta(seconds=dice.randrange(90 * 86_400))
            story = [each for each in chance(dice) if began_at + timedelta(seconds=each.after_s) < NOW]
            await alarm(connection, began_at, *story)
            written += calls(began_at, story)
            left_out += no_calls(began_at, story)
    for month in MONTHS:
        read = [each for each in written if month.begins <= each.began_at < month.ends]
        report = await read_month(connection, month, Scope(None, None), NOW)
        figures = report.total
        waits = [each.waited_s for each in read if each.waited_s is not None]
        assert len(waits) > 100
        late = [each for each in read if each.waited_s is None and NOW - each.began_at > timedelta(seconds=180)]
        assert (figures.answered, figures.not_answered) == (len(waits), len(late))
        assert [each.answered for each in figures.within] == [sum(wait <= s for wait in waits) for s in (60, 180)]
        for name, share in PERCENTILES.items():
            assert figures.percentiles_s[name] == round(nearest_rank(waits, share), 3)
        by_priority = {each.key: each.figures.calls for each in report.priorities}
        assert by_priority == Counter(str(each.priority) for each in read if each.waited_s is not None or each in late)
        happened = Counter(what for at, what in left_out if month.begins <= at < month.ends)
        assert asdict(report.excluded) == {"tests": 0, "priority_5": 0, **dict(happened)}
        assert min(happened.values()) > 10
