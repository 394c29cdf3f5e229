"""`telecare alarm …`: what is waiting, and the whole story of one alarm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, NamedTuple

import typer

from services.cli.terminal import ask, say, segment, show_table

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
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Alarms, newest first."""
    query = {"state": state, "priority": priority, "council": council, "device": device, "limit": limit}
    page = ask(lambda api: api.call("GET", "/api/v1/alarms", **query))
    show_table(
        ("alarm", "received", "priority", "kind", "state", "device", "council", "acknowledged by"),
        [
            (
                each["alarm_id"],
                datetime.fromisoformat(each["received_at"]),
                each["priority"],
                _kind(each),
                each["state"],
                each["device_id"],
                each["council_id"],
                each["acknowledged_by"],
            )
            for each in page["items"]
        ],
    )


@alarm_app.command("show")
def show_alarm(alarm_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """An alarm's story, a line for each thing that happened: when, how long after the first, and what.

    Event ids are those of the logs: `grep` one there for what each service said at the time.
    """
    story = ask(lambda api: api.call("GET", f"/api/v1/alarms/{segment(alarm_id)}/story"))
    for line in _heading(story["alarm"]):
        say(line)
    lines = sorted(_lines(story))
    for says, same in groupby(lines, key=lambda line: line.says):
        times = [line.at for line in same]
        again = f" ({len(times)} times, until {times[-1]:%Y-%m-%d %H:%M:%S})" if len(times) > 1 else ""
        say(f"{times[0]:%Y-%m-%d %H:%M:%S} {_after(times[0], lines[0].at):>10}  {says}{again}")


def _heading(alarm: dict[str, Any]) -> Iterator[str]:
    yield f"alarm {alarm['alarm_id']}: {_kind(alarm)}, priority {alarm['priority']}, {alarm['state']}"
    where = ", ".join(filter(None, (alarm["council_id"] or "no council", alarm["location"])))
    yield f"device {alarm['device_id']} ({where}){'' if not alarm['unregistered'] else ', not registered'}"
    if alarm["installation_ref"]:
        yield f"installation {alarm['installation_ref']}"


def _lines(story: dict[str, Any]) -> Iterator[_Line]:
    for event in story["events"]:
        identity = "no identity" if event["boot_id"] is None else f"{event['boot_id']} {event['seq']}"
        said = f"by its own clock {_clock(event['sent_at'])}" if event["sent_at"] else "without a time"
        yield _Line(
            datetime.fromisoformat(event["received_at"]),
            0,
            f"stored: {_kind(event)} ({identity}), {said}; event {event['event_id']}",
        )
    for entry in story["alarm"]["history"]:
        who = "".join(f" by {entry[name]}" for name in ("actor",) if entry.get(name))
        why = entry["reason"].replace("_", " ")
        detail = f": {entry['detail']}" if entry.get("detail") else ""
        yield _Line(
            datetime.fromisoformat(entry["at"]),
            1,
            f"{entry['event'].replace('_', ' ')}{who} ({why}), step {entry.get('step')}{detail}",
        )
    for sent in story["deliveries"]:
        to = sent["hub_id"] or f"responder {sent['responder_id']}"
        news = f"{sent['type']} to {to} by {sent['channel']}"
        tries = "" if sent["attempts"] <= 1 else f" at attempt {sent['attempts']}"
        fault = f": {sent['last_error']}" if sent["last_error"] and sent["state"] != "delivered" else ""
        if sent["finished_at"] is None:
            yield _Line(
                datetime.fromisoformat(sent["created_at"]),
                2,
                f"not delivered yet: {news}, {sent['attempts']} attempts{fault}",
            )
        else:
            outcome = "delivered" if sent["state"] == "delivered" else "refused for good"
            yield _Line(
                datetime.fromisoformat(sent["finished_at"]),
                2,
                f"{outcome}: {news}{tries}{fault}; notification {sent['notification_id']}",
            )


def _kind(what: dict[str, Any]) -> str:
    kind = str(what["kind"]).replace("_", " ")
    return kind if what["status"] == "activated" else f"{kind}, {str(what['status']).replace('_', ' ')}"


def _clock(time: str) -> str:
    return f"{datetime.fromisoformat(time):%H:%M:%S}"


def _after(at: datetime, began: datetime) -> str:
    """How long after the first thing; milliseconds while they matter."""
    seconds = (at - began).total_seconds()
    if seconds < 10:
        return f"+{seconds * 1000:,.0f} ms"
    return f"+{seconds:,.0f} s" if seconds < 3600 else f"+{seconds / 3600:,.1f} h"
