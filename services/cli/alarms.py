"""`telecare alarm …`: what is waiting, and the whole story of one alarm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from contracts.ids import CANARY
from contracts.vocabulary import CHANNEL_FAILING
from services.cli.terminal import ask, say, segment, show_table

if TYPE_CHECKING:
    from services.cli.api import Api

alarm_app = typer.Typer(no_args_is_help=True, help="Alarms: what waits for a person, and what became of one.")


class _Line(NamedTuple):
    at: datetime
    order: int  # of what happened at one instant: what was sent, what it led to, who had it
    says: str


@alarm_app.command("list")
def list_alarms(
    *,
    state: Annotated[str | None, typer.Option(metavar="open|acknowledged|closed", help="Without it, all.")] = None,
    priority: Annotated[int | None, typer.Option(min=1, max=5)] = None,
    council: str | None = None,
    device: str | None = None,
    canary: Annotated[bool, typer.Option("--canary", help="The canary's too, of which there is one a minute.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Alarms, newest first."""
    canary = canary or council == CANARY or (device or "").startswith(f"{CANARY}-")
    query = {"state": state, "priority": priority, "council": council, "device": device, "limit": limit}

    async def find(api: Api) -> Any:
        page = await api.call("GET", "/api/v1/alarms", **query, canary=None if canary else "false")
        if council is not None and not page["items"]:
            await _refuse_unknown(api, council)
        return page

    show_table(
        ("alarm", "received (UTC)", "priority", "kind", "state", "device", "council", "acknowledged by"),
        [
            (
                each["alarm_id"],
                _ours(each["received_at"]),
                each["priority"],
                _kind(each),
                each["state"],
                each["device_id"],
                each["council_id"],
                each["acknowledged_by"],
            )
            for each in ask(find)["items"]
        ],
    )


async def _refuse_unknown(api: Api, council: str) -> None:
    """An empty list of a council that is none reads as: nothing waits there. Raises ApiError."""
    from services.cli.api import ApiError

    try:
        known = {CANARY, *(each["council_id"] for each in await api.every("/api/v1/councils"))}
    except ApiError as error:  # of a process of alerts alone
        say(f"telecare: whether there is a council {council} could not be asked here: {error}", err=True)
        return
    if council not in known:
        alike = " or ".join(get_close_matches(council.lower(), known, cutoff=0.5))
        meant = f"did you mean {alike}?" if alike else "`telecare council list` shows all"
        raise ApiError(f"there is no council {council}: {meant}")


# What a service of a release before this one does not tell.
_UNTOLD: dict[str, Any] = {
    "events_left_out": None,
    "deliveries_left_out": None,
    "silenced_until": None,
    "silences": [],
    "erasures": [],
}


@alarm_app.command("show")
def show_alarm(alarm_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """An alarm's story, a line for each thing that happened: when, how long after the first, and what.

    Event ids are those of the logs: `grep` one there for what each service said at the time. Times are UTC, as there.
    """
    story = _UNTOLD | ask(lambda api: api.call("GET", f"/api/v1/alarms/{segment(alarm_id)}/story"))
    for line in _heading(story):
        say(line)
    lines = sorted(_lines(story))
    for says, same in groupby(lines, key=lambda line: line.says):
        times = [line.at for line in same]
        again = f" ({len(times)} times, until {_time(times[-1])})" if len(times) > 1 else ""
        say(f"{_time(times[0])} {_after(times[0], lines[0].at):>10}  {says}{again}")


def _heading(story: dict[str, Any]) -> Iterator[str]:
    alarm = story["alarm"]
    outcome = f": {_words(alarm['outcome'])}" if alarm["outcome"] else ""
    yield f"alarm {alarm['alarm_id']}: {_kind(alarm)}, priority {alarm['priority']}, {alarm['state']}{outcome}"
    where = ", ".join(filter(None, (alarm["council_id"] or "no council", alarm["location"])))
    yield f"device {alarm['device_id']} ({where}){'' if not alarm['unregistered'] else ', not registered'}"
    if alarm["peripheral_id"]:
        yield f"{'channel' if alarm['kind'] == CHANNEL_FAILING else 'peripheral'} {alarm['peripheral_id']}"
    if alarm["installation_ref"]:
        yield f"installation {alarm['installation_ref']}"
    if story["silenced_until"]:
        yield f"held back, nobody is told before {_time(_ours(story['silenced_until']))}: {_why_silent(story)}"
    yield "times are UTC; consoles and boards show London's"


def _why_silent(story: dict[str, Any]) -> str:
    """The silence that ends then; without one it is we who hold it back, or it is a silence that is not the asker's business."""
    until = _ours(story["silenced_until"])
    for silence in story["silences"]:
        if _ours(silence["ends_at"]) == until:
            return f"silenced by {_operator(silence)}: {silence['reason']}"
    again = ", or its battery is low and well again and again" if story["alarm"]["status"] == "battery_low" else ""
    return f"by no silence that you may see; an outage says it already{again}"


def _lines(story: dict[str, Any]) -> Iterator[_Line]:
    yield from map(_sent, story["events"])
    yield from _left_out("events", story["events"], story["events_left_out"], "received_at")
    for entry in story["alarm"]["history"]:
        yield _happened(entry, story["alarm"]["outcome"])
    for silence in story["silences"]:
        yield from _silence(silence, _ours(story["alarm"]["received_at"]))
    yield from map(_told, story["deliveries"])
    yield from _left_out("deliveries", story["deliveries"], story["deliveries_left_out"], "created_at")
    for erasure in story["erasures"]:
        what = ", ".join(map(_words, erasure["what"]))
        if erasure["done_at"] is None:
            yield _Line(_ours(erasure["asked_at"]), 3, f"to be erased, once it and what else is open is closed: {what}")
        else:
            yield _Line(_ours(erasure["done_at"]), 3, f"erased on request: {what}")


def _sent(event: dict[str, Any]) -> _Line:
    identity = "no identity" if event["boot_id"] is None else f"{event['boot_id']} {event['seq']}"
    received_at = _ours(event["received_at"])
    said = f"by its own clock {_clock(event['sent_at'], received_at)}" if event["sent_at"] else "without a time"
    # A service of a release before this one tells of no marks.
    wrong = f"; put up with: {', '.join(map(_words, event['marks']))}" if event.get("marks") else ""
    return _Line(received_at, 0, f"stored: {_kind(event)} ({identity}), {said}{wrong}; event {event['event_id']}")


def _happened(entry: dict[str, Any], outcome: str | None) -> _Line:
    who = f" by {entry['actor']}" if entry.get("actor") else ""
    said = [entry.get("detail"), _words(outcome) if entry["event"] == "closed" and outcome else None]
    more = "".join(f": {each}" for each in said if each)
    what = f"{_words(entry['event'])}{who} ({_words(entry['reason'])}), step {entry.get('step')}{more}"
    return _Line(_ours(entry["at"]), 1, what)


def _silence(silence: dict[str, Any], came_at: datetime) -> Iterator[_Line]:
    """One that was there already stands where the alarm came."""
    ends_at = _ours(silence["ends_at"])
    of = f"{silence['postcode_district'] or 'its council'}" if silence["device_id"] is None else "its device"
    priorities = ", ".join(map(str, silence["priorities"]))
    yield _Line(
        max(_ours(silence["starts_at"]), came_at),
        1,
        f"silenced until {_time(ends_at)} by {_operator(silence)} ({of}, priority {priorities}): {silence['reason']}",
    )
    if silence["ended_by"]:
        yield _Line(ends_at, 1, f"silence ended early by {silence['ended_by']}")


def _operator(silence: dict[str, Any]) -> str:
    return f"{silence['operator']} of {silence['hub_id'] or 'ops'}"


def _told(sent: dict[str, Any]) -> _Line:
    to = sent["hub_id"] or f"responder {sent['responder_id']}"
    news = f"{sent['type']} to {to} by {sent['channel']}"
    tries = "" if sent["attempts"] <= 1 else f" at attempt {sent['attempts']}"
    fault = f": {sent['last_error']}" if sent["last_error"] and sent["state"] != "delivered" else ""
    if sent["finished_at"] is None:
        return _Line(_ours(sent["created_at"]), 2, f"not delivered yet: {news}, {sent['attempts']} attempts{fault}")
    outcome = "delivered" if sent["state"] == "delivered" else "refused for good"
    return _Line(
        _ours(sent["finished_at"]), 2, f"{outcome}: {news}{tries}{fault}; notification {sent['notification_id']}"
    )


def _left_out(what: str, told: list[dict[str, Any]], gap: dict[str, int] | None, time: str) -> Iterator[_Line]:
    """Where they are missing: before the first that came after them."""
    if gap is not None:
        last, following = (_ours(told[at][time]) for at in (gap["after"] - 1, gap["after"]))
        yield _Line(following, -1, f"… {gap['count']:,} {what} left out, from {_time(last)} until {_time(following)}")


def _kind(what: dict[str, Any]) -> str:
    kind = _words(what["kind"])
    return kind if what["status"] == "activated" else f"{kind}, {_words(what['status'])}"


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _ours(time: str) -> datetime:
    return datetime.fromisoformat(time).astimezone(UTC)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _clock(time: str, received_at: datetime) -> str:
    """The device's, with its day where that is not ours: a box that thinks it is 1970 looks right by the hour alone."""
    at = datetime.fromisoformat(time)
    with suppress(OverflowError):  # the first day of the calendar, or the last
        at = at.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == received_at.date() else at.replace(tzinfo=None).isoformat(" ", "seconds")


def _after(at: datetime, began: datetime) -> str:
    """How long after the first thing; milliseconds while they matter."""
    seconds = (at - began).total_seconds()
    if seconds < 10:
        return f"+{seconds * 1000:,.0f} ms"
    return f"+{seconds:,.0f} s" if seconds < 3600 else f"+{seconds / 3600:,.1f} h"
