"""What people read in an e-mail or a text message, from the body that machines are sent.

Of the device only words of the vocabulary are repeated, never a text of its own; of the person only `installation_ref`, which
means something to the hub alone. Total: whatever the body, there is something to send, for an alarm hangs on it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from contracts.fields import parse_time
from contracts.ids import is_device_id, is_slug
from contracts.vocabulary import KINDS, LOCATIONS, Priority

_LONDON: Final = ZoneInfo("Europe/London")
_REF_LENGTH_MAX: Final = 64
_CODE = re.compile(r"[0-9]{4,10}")

_HAPPENED: Final = {
    "alarm.raised": "alarm",
    "alarm.repeated": "alarm, called again",
    "alarm.escalated": "alarm, still waiting for somebody to take it",
    "alarm.restored": "back to normal",
    "alarm.cancelled": "cancelled at the device",
    "alarm.acknowledged": "somebody has taken it",
    "alarm.released": "given back, waiting for somebody to take it",
    "alarm.closed": "closed",
    "test.received": "test",
}
_OUTAGE: Final = {"outage.opened": "outage", "outage.updated": "outage, changed", "outage.closed": "outage, over"}
_AFFECTED: Final = {"silent": "silent", "mains_lost": "without mains"}
_SHARED: Final = {
    "sim_operator": "mobile operator",
    "cell_id": "mobile cell",
    "network": "network",
    "council_id": "council",
    "postcode_district": "postcode district",
    "firmware": "firmware",
    "model": "model",
}
_STATUS: Final = {"battery_low": ", battery low", "failure": ", not working"}  # of others the type says it
_WORTH: Final = {
    Priority.LIFE: "life",
    Priority.WELFARE: "welfare",
    Priority.UNPROTECTED: "person unprotected",
    Priority.DEGRADED: "equipment degraded",
    Priority.LOG: "for the record",
}
_NO_ACKNOWLEDGEMENT: Final = (
    "Reading or answering this message takes no alarm: take it in the console, or through your hub."
)


@dataclass(frozen=True, slots=True)
class Wording:
    """The same news for an e-mail (`subject`, on one line, and `text`) and for a text message (`short`)."""

    subject: str
    text: str
    short: str
    urgent: bool
    thread: str | None  # what all news of one alarm have in common


_PROBE: Final = Wording(
    "Telecare: a test of this address",
    "This only tests that messages reach you. There is nothing to do.\n",
    "Telecare: this only tests that messages reach you. There is nothing to do.",
    urgent=False,
    thread=None,
)


def wording(body: str, public_url: str | None = None, expires_at: datetime | None = None) -> Wording:
    """Put a notification's JSON body into words; `expires_at` is that of a code."""
    told = _read(body)
    data = told.get("data")
    data = data if isinstance(data, dict) else {}
    code = data.get("verification_code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        return _of_code(code, expires_at)
    if told.get("type") == "hub.probe":
        return _PROBE
    if told.get("type") in _OUTAGE:
        return _of_outage(str(told.get("type")), _time(told.get("timestamp")), data, public_url)
    return _of_alarm(str(told.get("type")), _time(told.get("timestamp")), data, public_url)


def _of_code(code: str, expires_at: datetime | None) -> Wording:
    until = f", valid until {_clock(expires_at)}" if expires_at else ""
    short = (
        f"Your telecare code is {code}{until}. Give it to whoever set up this contact. If you expect none, ignore this."
    )
    text = (
        f"Your code is {code}{until}.\n\nGive it to whoever set up this address to be told of telecare alarms. It proves that"
        " what is sent here is read.\nIf you expect no code, ignore this message: without it nothing more is sent here.\n"
    )
    return Wording("Your code for telecare alarms", text, short, urgent=False, thread=None)


def _of_alarm(type_: str, at: datetime | None, data: dict[str, Any], public_url: str | None) -> Wording:
    priority = _priority(data.get("priority"))
    test = "TEST: " if data.get("test") is True else ""
    kind = _kind(data.get("kind")) + _STATUS.get(str(data.get("status")), "")
    happened = _HAPPENED.get(type_, "news")
    device = _known(data.get("device_id"), is_device_id) or "unknown"
    installation = _line(data.get("installation_ref"))[:_REF_LENGTH_MAX]
    location = _location(data.get("location"))
    council = _known(data.get("council_id"), is_slug)
    alarm_id = _known(data.get("alarm_id"), is_device_id)  # a uuid is spelt like one
    link = f"{public_url.rstrip('/')}/console/alarms/{alarm_id}" if public_url and alarm_id else ""

    subject = f"{test}Priority {priority:d}, {kind}: {happened} (device {device})"
    facts = [
        ("Priority", f"{priority:d} ({_WORTH[priority]})"),
        ("Installation", installation or "not known here"),
        ("Device", device),
        ("Council", council),
        ("Location", location),
        ("Reached us", _stamp(_time(data.get("received_at")))),
        ("Told", _stamp(at)),
        ("Repair due", _stamp(_time(data.get("repair_due_at")))),
        ("At risk", "this is the person's only device" if data.get("at_risk") is True else ""),
    ]
    table = "\n".join(f"{name:<14}{value}" for name, value in facts if value)
    ends = [f"Take it here:\n{link}"] if link else []
    text = "\n\n".join([f"{test}{kind.capitalize()}: {happened}.", table, *ends, _NO_ACKNOWLEDGEMENT]) + "\n"

    place = ", ".join(each for each in (f"device {device}", council, location) if each)
    when = f" {_clock(at)}." if at else ""
    known = f" Installation {installation}," if installation else ""
    short = f"{test}Priority {priority:d} {kind}: {happened}.{known} {place}.{when} {link}".rstrip()
    return Wording(subject, text, short, urgent=priority == Priority.LIFE and not test, thread=alarm_id or None)


def _of_outage(type_: str, at: datetime | None, data: dict[str, Any], public_url: str | None) -> Wording:
    shared = (
        f"{_SHARED.get(str(data.get('attribute')), 'something')} {_line(data.get('value'))[:_REF_LENGTH_MAX]}".rstrip()
    )
    affected = _AFFECTED.get(str(data.get("condition")), "affected")
    now, ever = _count(data.get("members_now")), _count(data.get("members"))
    outage_id = _known(data.get("outage_id"), is_device_id)
    link = f"{public_url.rstrip('/')}/console/outages/{outage_id}" if public_url and outage_id else ""
    happened = _OUTAGE[type_]
    subject = f"{happened.capitalize()}: {shared}, {now} devices {affected}"
    facts = [
        ("In common", shared),
        ("Now", f"{now} devices {affected}"),
        ("In all", f"{ever} devices"),
        ("Since", _stamp(_time(data.get("began_at")))),
        ("Over", _stamp(_time(data.get("closed_at")))),
        ("Told", _stamp(at)),
    ]
    table = "\n".join(f"{name:<14}{value}" for name, value in facts if value)
    ends = [f"Who is exposed, and who has been asked after:\n{link}"] if link else []
    text = "\n\n".join([f"{happened.capitalize()}.", table, *ends]) + "\n"
    short = f"Telecare {happened}: {shared}, {now} devices {affected}. {link}".rstrip()
    return Wording(subject, text, short, urgent=False, thread=outage_id or None)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "some"


def _read(body: str) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _priority(value: object) -> Priority:
    # LIFE also stands for what cannot be read.
    return Priority(value) if isinstance(value, int) and value in set(Priority) else Priority.LIFE


def _kind(value: object) -> str:
    return value.replace("_", " ") if isinstance(value, str) and value in KINDS else "unknown kind"


def _location(value: object) -> str:
    return value.replace("_", " ") if isinstance(value, str) and value in LOCATIONS else ""


def _known(value: object, known: Any) -> str:
    return value if isinstance(value, str) and known(value) else ""


def _line(value: object) -> str:
    """On one line, whatever it holds: nothing in it can begin a header, or hide behind what is shown."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(each if each.isprintable() else " " for each in value).split())


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _stamp(at: datetime | None) -> str:
    return f"{at.astimezone(_LONDON):%a %d %b %Y, %H:%M:%S %Z}" if at else ""


def _clock(at: datetime) -> str:
    return f"{at.astimezone(_LONDON):%H:%M on %d %b}"
