"""When a responder is on duty: hours of the week in Europe/London, whatever its clocks are doing."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONDON: Final = ZoneInfo("Europe/London")

Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ClockTime: TypeAlias = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]

_DAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(BaseModel):
    """From … until on each of these days, by the clock on the wall. `until` not after `from`: until then the next day."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    from_: Annotated[ClockTime, Field(alias="from")]
    until: ClockTime

    @model_validator(mode="after")
    def _each_day_once(self) -> Self:
        if len(set(self.days)) < len(self.days):
            raise ValueError("a day is named twice")
        return self

    def cover(self, now: datetime) -> bool:
        """Whether `now` (with an offset) lies within them."""
        today = now.astimezone(LONDON).date()
        # The shift that began today, and the one of yesterday that goes on into today.
        return any(self._covers(now, day) for day in (today, today - timedelta(days=1)))

    def _covers(self, now: datetime, day: date) -> bool:
        if _DAYS[day.weekday()] not in self.days:
            return False
        begins, ends = time.fromisoformat(self.from_), time.fromisoformat(self.until)
        last = day if ends > begins else day + timedelta(days=1)
        # Compared as instants: on the night of a change of clocks a shift is an hour longer, or shorter, as it is for people.
        # A time that comes twice that night begins a shift at the first and ends one at the second: nobody whom a reader of
        # the rota would call on duty is passed over.
        return _instant(day, begins, fold=0) <= now.astimezone(UTC) < _instant(last, ends, fold=1)


HOURS_MAX: Final = 50

Rota: TypeAlias = Annotated[tuple[Hours, ...], Field(max_length=HOURS_MAX)]
"""On duty within any of them; none at all: always."""


def on_duty(rota: Rota, now: datetime) -> bool:
    """Whether somebody with this rota is on duty."""
    return not rota or any(hours.cover(now) for hours in rota)


def _instant(day: date, at: time, *, fold: Literal[0, 1]) -> datetime:
    """When the clock on the wall shows this: for the first (0) or second time. When it is put past it, at that moment."""
    wall = datetime.combine(day, at)
    while (instant := wall.replace(tzinfo=LONDON, fold=fold).astimezone(UTC)).astimezone(LONDON).replace(
        tzinfo=None
    ) != wall:
        wall += timedelta(minutes=1)
    return instant
