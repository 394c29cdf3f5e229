"""Strictness of the payloads, and the answers to a hub's bad actions."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from contracts.action import Acknowledge, ActionResult, Close, Received, Release, read_action
from contracts.alarm import EventView, ScaipCodes
from contracts.alarm_event import IDENTITY_REUSED, AlarmEvent
from contracts.device import Heartbeat, Receipt
from contracts.fields import parse_time
from contracts.ids import BootId, CouncilId, DeviceId, EventId
from contracts.vocabulary import Priority

GOOD = {"boot_id": "b1", "seq": 1, "sent_at": "2026-11-21T20:00:00Z"}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", True),
        ("seq", 1.0),
        ("seq", "1"),
        ("seq", -1),
        ("seq", 2**63),
        ("seq", None),
        ("boot_id", ""),
        ("boot_id", "b" * 37),
        ("boot_id", "b\n"),
        ("boot_id", 7),
        ("sent_at", 1763755200),
        ("sent_at", "1763755200"),
        ("sent_at", "2026-11-21"),
        ("sent_at", "2026-11-21T20:00:00"),
        ("sent_at", "2026-11-21T20:00Z"),
        ("battery_pct", 101),
        ("battery_pct", "97"),
        ("battery_pct", True),
        ("mains", 1),
        ("mains", "true"),
        ("signal_dbm", 1),
        ("signal_dbm", -201),
        ("network", "5g"),
        ("sim_operator", "2341"),
        ("sim_operator", "٢٣٤١٠"),
        ("cell_id", "c" * 33),
        ("cell_id", "a\0b"),
        ("firmware", "f" * 65),
        ("temperature_c", 1e39),
        ("temperature_c", float("nan")),
        ("temperature_c", float("inf")),
        ("temperature_c", True),
        ("temperature_c", "21.5"),
    ],
)
def test_a_heartbeat_is_strict(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Heartbeat.model_validate_json(json.dumps({**GOOD, field: value}))
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


def test_a_heartbeat_at_its_limits() -> None:
    limits = {"boot_id": "b" * 36, "seq": 2**63 - 1, "battery_pct": 0, "signal_dbm": -200, "temperature_c": 21}
    assert Heartbeat.model_validate_json(json.dumps({**GOOD, **limits})).seq == 2**63 - 1


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21t12:00:00z", NOON),
        ("2026-11-21 12:00:00-00:00", NOON),
        ("2026-11-21T17:45:00.5+05:45", NOON + timedelta(seconds=0.5)),
        ("2026-11-21T12:00:00.1234567Z", NOON + timedelta(microseconds=123456)),
    ],
)
def test_times_are_rfc_3339(text: str, time: datetime) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize(
    "text", ["", '"', "now", "2026-11-21", "2026-02-30T00:00:00Z", "\ud800", "2026-11-21T12:00:00Z\n"]
)
def test_other_text_is_no_time(text: str) -> None:
    assert parse_time(text) is None


def test_a_receipt_names_one_alarm() -> None:
    def receipt(boot_id: str | None, seq: int | None, digest: str | None) -> Receipt:
        return Receipt(boot_id=boot_id, seq=seq, payload_sha256=digest, state="stored", alarm_id=None, at=NOON)

    assert receipt("b1", 1, None).payload_sha256 is None
    assert receipt(None, None, "a" * 64).boot_id is None
    for boot_id, seq, digest in [(None, None, None), ("b1", None, "a" * 64), (None, 1, "a" * 64)]:
        with pytest.raises(ValidationError):
            receipt(boot_id, seq, digest)


def test_an_operators_actions_are_told_apart() -> None:
    base = {"action_id": "a", "alarm_id": "x", "operator": "Morag"}
    assert isinstance(read_action(b'{"action_id":"a","action":"received","notification_id":"n"}'), Received)
    assert isinstance(read_action(json.dumps({**base, "action": "acknowledge"}).encode()), Acknowledge)
    assert isinstance(read_action(json.dumps({**base, "action": "release"}).encode()), Release)
    closed = read_action(json.dumps({**base, "action": "close", "outcome": "attended"}).encode())
    assert isinstance(closed, Close)
    assert (closed.outcome, closed.note) == ("attended", None)


@pytest.mark.parametrize("reference", ["notification_id", "alarm_id"])
@pytest.mark.parametrize("action", ["received", "acknowledge", "release", "close"])
def test_each_action_names_its_alarm_by_either_id_and_is_written_as_it_was_before_it_could(
    action: str, reference: str
) -> None:
    """Its digest is what an action that comes again, after an upgrade too, is known by."""
    sent: dict[str, str | None] = {"action_id": "a", "action": action, reference: "x"}
    if action != "received":
        sent["operator"] = "Morag"
    if action == "close":
        sent |= {"outcome": "attended", "note": None}
    assert read_action(json.dumps(sent).encode()).model_dump_json() == json.dumps(sent, separators=(",", ":"))


@pytest.mark.parametrize(
    ("payload", "action_id", "names"),
    [
        (b"", None, "JSON"),
        (b"[]", None, "object"),
        (b'{"action_id":7}', None, "action"),
        (b'{"action_id":"a","action":"delete"}', "a", "action"),
        (b'{"action_id":"a","action":"received"}', "a", "notification_id or alarm_id"),
        (
            b'{"action_id":"a","action":"close","alarm_id":null,"operator":"M","outcome":"test"}',
            "a",
            "notification_id or alarm_id",
        ),
        (b'{"action_id":"a","action":"acknowledge","alarm_id":"x"}', "a", "operator"),
        (b'{"action_id":"a","action":"acknowledge","alarm_id":"x","operator":""}', "a", "operator"),
        (b'{"action_id":"a","action":"close","alarm_id":"x","operator":"M"}', "a", "outcome"),
        (b'{"action_id":"a","action":"close","alarm_id":"x","operator":"M","outcome":"bored"}', "a", "outcome"),
        (b'{"action_id":"a","action":"release","alarm_id":"x\\u0000","operator":"M"}', "a", "alarm_id"),
        (b"\xff", None, "JSON"),
        (b"[" * 100_000, None, "JSON"),
    ],
)
def test_a_bad_action_is_answered_saying_what_is_wrong(payload: bytes, action_id: str | None, names: str) -> None:
    answer = read_action(payload)
    assert isinstance(answer, ActionResult)
    assert (answer.result, answer.action_id) == ("invalid", action_id)
    assert names in (answer.detail or "")


def an_event() -> AlarmEvent:
    return AlarmEvent(
        event_id=EventId("e"),
        device_id=DeviceId("TC-1"),
        council_id=CouncilId("fife"),
        topic="t",
        boot_id=BootId("b1"),
        seq=2**63 - 1,
        sent_at=datetime(2026, 11, 21, 13, tzinfo=timezone(timedelta(hours=1))),
        received_at=NOON,
        kind="smoke",
        status="failure",
        peripheral_id=None,
        location="kitchen",
        text="Mrs X's kitchen",
        test=False,
        marks=("bad_seq",),
        payload_sha256="a" * 64,
    )


def test_an_event_survives_the_event_log() -> None:
    event = an_event()
    again = AlarmEvent.from_json(event.to_json())
    assert again == event
    assert again.sent_at == NOON


def test_free_text_of_a_home_is_not_in_an_events_repr() -> None:
    assert "Mrs X" not in repr(an_event())


def test_a_mark_is_added_once() -> None:
    marked = an_event().marked(IDENTITY_REUSED)
    assert marked.marks == ("bad_seq", "identity_reused")
    assert marked.marked(IDENTITY_REUSED) is marked


def test_urgency_takes_a_failing_device_for_the_only_one() -> None:
    assert an_event().urgency is Priority.UNPROTECTED


def test_a_hub_reads_the_event_in_scaip_too() -> None:
    view = EventView.of(an_event())
    assert view.scaip == ScaipCodes(dty=23, stc=42, lco=21)
    assert (view.kind, view.location, view.seq) == ("smoke", "kitchen", 2**63 - 1)
