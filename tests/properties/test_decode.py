"""Decoding is total: whatever comes, on whatever topic, it becomes a value that can be stored, and no alarm is lost."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contracts.alarm_event import AlarmEvent
from contracts.device import Alarm, Heartbeat
from contracts.ids import SEQ_MAX
from contracts.topics import parse_device_topic
from contracts.vocabulary import KINDS, LOCATIONS, STATUSES, Priority
from services.ingest.domain.decode import (
    HeartbeatRow,
    Quarantined,
    StatusHint,
    decode_alarm,
    decode_heartbeat,
    decode_status,
)

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
HEARTBEAT_TOPIC = "telecare/v1/devices/glasgow-city/TC-000123/heartbeat"
ALARM_TOPIC = "telecare/v1/devices/glasgow-city/TC-000123/alarm"

any_text = st.text(st.characters(exclude_categories=()), max_size=80)  # surrogates and NUL too
segments = st.one_of(any_text, st.sampled_from(["", "glasgow-city", "TC-000123", "a" * 65, "ü", "+"]))
topics = st.one_of(
    any_text,
    st.builds("telecare/v1/devices/{}/{}/{}".format, segments, segments, segments),
    st.sampled_from([HEARTBEAT_TOPIC, ALARM_TOPIC, "a" * 70_000, "telecare/v1/devices/\0/\ud800/alarm"]),
)

boot_ids = st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True)
seqs = st.integers(0, SEQ_MAX)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=offsets)
storable_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


identities = {"boot_id": boot_ids, "seq": seqs, "sent_at": times.map(datetime.isoformat)}
heartbeats = st.fixed_dictionaries(
    identities,
    optional={
        "battery_pct": optional(st.integers(0, 100)),
        "mains": optional(st.booleans()),
        "signal_dbm": optional(st.integers(-200, 0)),
        "network": optional(st.sampled_from(["ethernet", "wifi", "lte", "umts", "gsm", "nb_iot"])),
        "sim_operator": optional(st.from_regex(r"[0-9]{5,6}", fullmatch=True)),
        "cell_id": optional(storable_text.map(lambda text: text[:32])),
        "firmware": optional(storable_text.map(lambda text: text[:64])),
        "temperature_c": optional(st.floats(-273.15, 1000)),
    },
)
OPTIONAL_READINGS = tuple(name for name in Heartbeat.model_fields if name not in identities)
alarms = st.fixed_dictionaries(
    {**identities, "kind": st.sampled_from(sorted(KINDS)) | storable_text.map(lambda text: text[:64] or "x")},
    optional={
        "status": st.sampled_from(sorted(STATUSES)),
        "peripheral_id": optional(storable_text.map(lambda text: text[:32])),
        "location": optional(st.sampled_from(sorted(LOCATIONS)) | storable_text.map(lambda text: text[:64])),
        "text": optional(storable_text.map(lambda text: text[:128])),
        "test": st.booleans(),
    },
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(any_text, values, max_size=3),
    max_leaves=8,
)
known_names = st.sampled_from(sorted({*Heartbeat.model_fields, *Alarm.model_fields, "state"}))
strange_objects = st.dictionaries(known_names, json_values, max_size=8).map(lambda sent: json.dumps(sent).encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good payload with some bytes cut out, repeated or replaced."""
    payload = json.dumps(draw(heartbeats | alarms)).encode()
    start = draw(st.integers(0, len(payload)))
    end = draw(st.integers(start, min(start + 8, len(payload))))
    return payload[:start] + draw(st.binary(max_size=8)) + payload[end:]


NESTED = b'{"boot_id":"b","seq":1,"kind":"fall","x":' + b"[" * 150 + b"]" * 150 + b"}"
NASTY = [
    b"",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"kind":' + b"[" * 900 + b"]" * 900 + b"}",
    NESTED,
    b'{"seq":' + b"9" * 10_000 + b"}",
    b'{"seq":1e999,"temperature_c":-1e999,"sent_at":NaN,"kind":Infinity}',
    b'{"kind":"\\ud800","boot_id":"\\u0000"}',
    b'\xef\xbb\xbf{"kind":"fall"}',
    '{"kind":"fall"}'.encode("utf-16"),
    b'{"kind":"fa\nll"}',
    b'{"kind":"fall","kind":7}',
    b'{"text":"' + b"x" * 20_000 + b'"}',
    b'{"\xff":"\xed\xa0\x80"}',
]
payloads = st.one_of(st.binary(max_size=200), st.sampled_from(NASTY), strange_objects, damaged())


def is_storable(text: str | None) -> bool:
    return text is None or ("\0" not in text and text.encode().decode() == text)


def is_whole(event: AlarmEvent) -> bool:
    strings = (event.device_id, event.council_id, event.topic, event.boot_id, event.kind, event.peripheral_id)
    return all(is_storable(text) for text in (*strings, event.location, event.text, *event.marks))


@given(topics, payloads)
def test_no_alarm_is_lost(topic: str, payload: bytes) -> None:
    event, raw = decode_alarm(topic, payload, NOW)
    assert event.kind
    assert is_whole(event)
    assert (event.boot_id is None) == (event.seq is None)
    assert event.seq is None or 0 <= event.seq <= SEQ_MAX
    assert len(event.device_id) <= 64
    assert len(event.topic) <= 220
    assert len(event.kind) <= 64
    assert len(event.peripheral_id or "") <= 32
    assert len(event.text or "") <= 128
    assert event.sent_at is None or event.sent_at.utcoffset() == timedelta(0)
    assert raw == (payload[: 16 * 1024] if event.marks else None)


@given(topics, payloads)
def test_an_event_comes_out_of_the_event_log_as_it_went_in(topic: str, payload: bytes) -> None:
    event = decode_alarm(topic, payload, NOW).event
    assert AlarmEvent.from_json(event.to_json()) == event


@given(topics, payloads)
def test_a_repeat_byte_for_byte_is_the_same_event(topic: str, payload: bytes) -> None:
    first, again = decode_alarm(topic, payload, NOW).event, decode_alarm(topic, payload, LATER).event
    assert first.event_id == again.event_id
    assert first.received_at == NOW
    assert first == AlarmEvent.from_json(again.to_json().replace("20:10:00", "20:00:00"))


@given(topics, topics, payloads, payloads)
def test_other_bytes_or_another_topic_are_another_event(
    topic: str, other_topic: str, payload: bytes, other: bytes
) -> None:
    event_id = decode_alarm(topic, payload, NOW).event.event_id
    if other != payload:
        assert decode_alarm(topic, other, NOW).event.event_id != event_id
    if other_topic != topic:
        assert decode_alarm(other_topic, payload, NOW).event.event_id != event_id


@given(segments, segments, segments, segments)
def test_two_homes_never_share_a_malformed_name(council: str, device: str, other_council: str, other: str) -> None:
    first, second = (
        decode_alarm(f"telecare/v1/devices/{names[0]}/{names[1]}/alarm", b"", NOW).event.device_id
        for names in ((council, device), (other_council, other))
    )
    assume((council, device) != (other_council, other))
    if "bad_device_id" in decode_alarm(f"telecare/v1/devices/{council}/{device}/alarm", b"", NOW).event.marks:
        assert first != second


@given(any_text.map(lambda text: "x" * 40 + text), any_text.map(lambda text: "x" * 40 + text))
def test_two_long_names_of_peripherals_never_become_one(one: str, other: str) -> None:
    assume(one != other)
    first, second = (
        decode_alarm(ALARM_TOPIC, json.dumps({"peripheral_id": name}).encode(), NOW).event for name in (one, other)
    )
    assert first.peripheral_id != second.peripheral_id


@given(alarms)
def test_a_good_alarm_is_read_exactly(sent: dict[str, Any]) -> None:
    payload = json.dumps(sent).encode()
    Alarm.model_validate_json(payload)
    event = decode_alarm(ALARM_TOPIC, payload, NOW).event
    told = {"status": "activated", "test": False, **sent}
    for name in ("boot_id", "seq", "kind", "status", "peripheral_id", "location", "text", "test"):
        assert getattr(event, name) == told.get(name), name
    assert (event.device_id, event.council_id) == ("TC-000123", "glasgow-city")
    assert set(event.marks) <= {"absurd_sent_at", "bad_sent_at"}
    if event.sent_at is not None:
        assert event.sent_at == datetime.fromisoformat(sent["sent_at"])


ALARM_MARKS = {
    "boot_id": {"bad_boot_id"},
    "seq": {"bad_seq"},
    "sent_at": {"bad_sent_at"},
    "kind": {"bad_kind"},
    "status": {"bad_status"},
    "peripheral_id": {"bad_peripheral_id"},
    "location": {"bad_location"},
    "text": {"bad_text"},
    "test": {"bad_test"},
}


@given(alarms, st.sampled_from(sorted(ALARM_MARKS)))
def test_a_damaged_field_of_an_alarm_marks_only_itself(sent: dict[str, Any], name: str) -> None:
    whole = decode_alarm(ALARM_TOPIC, json.dumps(sent).encode(), NOW).event
    event = decode_alarm(ALARM_TOPIC, json.dumps({**sent, name: ["damaged"]}).encode(), NOW).event
    assert set(event.marks) - ALARM_MARKS[name] <= set(whole.marks)
    assert ALARM_MARKS[name] <= set(event.marks)
    spared = {"boot_id", "seq", "sent_at", "kind", "status", "peripheral_id", "location", "text", "test"} - {name}
    if name in ("boot_id", "seq"):  # half an identity names nothing
        spared -= {"boot_id", "seq"}
    assert {field: getattr(event, field) for field in spared} == {field: getattr(whole, field) for field in spared}


@given(payloads)
def test_what_cannot_be_read_is_a_matter_of_life(payload: bytes) -> None:
    event = decode_alarm(ALARM_TOPIC, payload, NOW).event
    if event.kind in ("unreadable", "unknown") and event.status == "activated" and not event.test:
        assert event.urgency is Priority.LIFE
    if event.kind == "unreadable" and "unreadable" in event.marks:
        assert (event.status, event.test, event.boot_id) == ("activated", False, None)


@given(json_values.filter(lambda value: value is not True))
def test_only_true_makes_a_test(value: Any) -> None:
    payload = json.dumps({"kind": "fall", "test": value}).encode()
    assert decode_alarm(ALARM_TOPIC, payload, NOW).event.test is False


def test_reading_does_not_depend_on_how_deep_the_caller_is() -> None:
    def at_depth(depth: int) -> AlarmEvent:
        return at_depth(depth - 1) if depth else decode_alarm(ALARM_TOPIC, NESTED, NOW).event

    assert at_depth(sys.getrecursionlimit() // 2) == decode_alarm(ALARM_TOPIC, NESTED, NOW).event
    assert at_depth(0).kind == "fall"


@pytest.mark.parametrize("filling", [b'\\"', b'"', b"\\", b"[", b"[],", b"\xff", b"9"])
def test_reading_takes_time_by_the_length_and_no_more(filling: bytes) -> None:
    """Nobody else's alarm is read meanwhile. 64 KiB of the first once took 47 s; the broker lets 256 KiB pass."""
    payload = b"[" * 201 + b'"' + filling * (240_000 // len(filling))
    started_s = time.process_time()
    assert decode_alarm(ALARM_TOPIC, payload, NOW).event.kind == "unreadable"
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize(
    "payload",
    [
        NESTED,
        b'\xef\xbb\xbf{"kind":"fall"}',
        b'{"kind":"fall","x":' + b"9" * 10_000 + b"}",
        b'{"kind":"fall","x":"a\nb"}',
        b'{"kind":"fall","x":[NaN,-Infinity,1e999]}',
        b'{"kind":"bed","kind":"fall"}',
        b'{"kind":"fall","text":"\xff"}',
    ],
)
def test_what_is_odd_elsewhere_does_not_hide_a_fall(payload: bytes) -> None:
    assert decode_alarm(ALARM_TOPIC, payload, NOW).event.kind == "fall"


@pytest.mark.parametrize("seq", ["true", "1.0", '"1"', "-1", "9223372036854775808", "9" * 10_000, "null", "[1]"])
def test_what_is_no_seq_is_no_identity(seq: str) -> None:
    event = decode_alarm(ALARM_TOPIC, f'{{"boot_id":"b","seq":{seq},"kind":"fall"}}'.encode(), NOW).event
    assert (event.kind, event.boot_id, event.seq) == ("fall", None, None)
    assert event.marks[0] == "bad_seq"


def test_a_heartbeat_larger_than_we_accept_is_set_aside_in_part() -> None:
    payload = json.dumps({"boot_id": "b", "seq": 1, "sent_at": NOW.isoformat(), "x": "x" * 16 * 1024}).encode()
    row = decode_heartbeat(HEARTBEAT_TOPIC, payload, NOW)
    assert isinstance(row, Quarantined)
    assert (row.reason, row.device_id, row.payload) == ("too_large", "TC-000123", payload[: 16 * 1024])


def test_a_reading_that_is_no_utf_8_costs_only_itself() -> None:
    payload = b'{"boot_id":"b","seq":1,"sent_at":"2026-11-21T20:00:00Z","cell_id":"K\xfcche","firmware":"2.4"}'
    row = decode_heartbeat(HEARTBEAT_TOPIC, payload, NOW)
    assert isinstance(row, HeartbeatRow)
    assert (row.cell_id, row.firmware, row.marks) == (None, "2.4", ("bad_encoding", "bad_cell_id"))


def test_a_larger_alarm_than_we_accept_is_read_and_kept_in_part() -> None:
    payload = json.dumps({"boot_id": "b", "seq": 1, "kind": "fall", "x": "x" * 20_000}).encode()
    event, raw = decode_alarm(ALARM_TOPIC, payload, NOW)
    assert (event.kind, event.boot_id, "oversized" in event.marks) == ("fall", "b", True)
    assert raw == payload[: 16 * 1024]


@given(topics, payloads)
def test_every_heartbeat_becomes_a_row_or_is_set_aside(topic: str, payload: bytes) -> None:
    row = decode_heartbeat(topic, payload, NOW)
    assert is_storable(row.device_id)
    assert is_storable(row.council_id)
    if isinstance(row, Quarantined):
        parts = parse_device_topic(topic)
        assert (row.device_id, row.council_id) == ((parts.device_id, parts.council_id) if parts else (None, None))
        assert is_storable(row.topic)
        assert row.payload == payload[: 16 * 1024]
    else:
        assert 0 <= row.seq <= SEQ_MAX
        assert all(is_storable(text) for text in (row.boot_id, row.sim_operator, row.cell_id, row.firmware))
        assert all(moment is None or moment.astimezone(UTC) for moment in (row.at, row.sent_at))


@given(heartbeats)
@example({"boot_id": "b", "seq": 0, "sent_at": "0001-01-01T00:00:00+14:00"})
@example({"boot_id": "b", "seq": 0, "sent_at": "9999-12-31T23:59:59-14:00"})
@example({"boot_id": "b", "seq": 0, "sent_at": "2024-01-01T00:59:59+01:00"})
@example({"boot_id": "b", "seq": 0, "sent_at": "2023-12-31T23:00:00-01:00"})
@example({"boot_id": "b", "seq": 0, "sent_at": "2035-12-31T23:30:00-01:00"})
def test_a_good_heartbeat_is_read_exactly(sent: dict[str, Any]) -> None:
    row = decode_heartbeat(HEARTBEAT_TOPIC, json.dumps(sent).encode(), NOW)
    assert isinstance(row, HeartbeatRow)
    assert (row.device_id, row.council_id, row.received_at) == ("TC-000123", "glasgow-city", NOW)
    for name in ("boot_id", "seq", *OPTIONAL_READINGS):
        assert getattr(row, name) == sent.get(name), name
    told = datetime.fromisoformat(sent["sent_at"])
    if datetime(2024, 1, 1, tzinfo=UTC) <= told < datetime(2036, 1, 1, tzinfo=UTC):
        assert (row.at, row.sent_at, row.marks) == (told, told, None)
    else:
        assert (row.at, row.marks) == (datetime(2000, 1, 1, tzinfo=UTC), ("absurd_sent_at",))
        assert row.sent_at in (told, None)


@given(
    heartbeats, st.sampled_from(OPTIONAL_READINGS), st.sampled_from([[], {}, "\0", "\ud800", 10**30, -1e30, "x" * 99])
)
def test_a_damaged_reading_costs_only_itself(sent: dict[str, Any], name: str, damage: object) -> None:
    whole = decode_heartbeat(HEARTBEAT_TOPIC, json.dumps(sent).encode(), NOW)
    row = decode_heartbeat(HEARTBEAT_TOPIC, json.dumps({**sent, name: damage}).encode(), NOW)
    assert isinstance(whole, HeartbeatRow)
    assert isinstance(row, HeartbeatRow)
    expected = {**whole._asdict(), name: None, "marks": (f"bad_{name}", *(whole.marks or ()))}
    assert row._asdict() == expected


@given(heartbeats)
def test_a_redelivered_heartbeat_meets_itself(sent: dict[str, Any]) -> None:
    payload = json.dumps(sent).encode()
    first, again = (decode_heartbeat(HEARTBEAT_TOPIC, payload, at) for at in (NOW, LATER))
    assert isinstance(first, HeartbeatRow)
    assert first == again._replace(received_at=NOW)


@given(
    heartbeats, st.sampled_from(sorted(identities)), st.sampled_from([None, [], {}, "", "\0", True, 1.5, -1, 10**30])
)
def test_a_heartbeat_without_its_identity_is_still_the_devices(sent: dict[str, Any], name: str, bad: object) -> None:
    row = decode_heartbeat(HEARTBEAT_TOPIC, json.dumps({**sent, name: bad}).encode(), NOW)
    assert isinstance(row, Quarantined)
    assert (row.device_id, row.reason) == ("TC-000123", f"bad_{name}")


@given(
    st.lists(
        st.sampled_from(['"boot_id":"b1"', '"boot_id":"b2"', '"seq":1', '"seq":2', '"cell_id":"a"', '"cell_id":9'])
    )
)
def test_of_a_name_that_comes_twice_the_last_counts_on_either_path(members: list[str]) -> None:
    text = ",".join(['"boot_id":"b0"', '"seq":0', '"sent_at":"2026-11-21T20:00:00Z"', *members])
    quick = decode_heartbeat(HEARTBEAT_TOPIC, f"{{{text}}}".encode(), NOW)
    piecemeal = decode_heartbeat(HEARTBEAT_TOPIC, f'{{{text},"mains":7}}'.encode(), NOW)
    assert isinstance(quick, HeartbeatRow)
    assert isinstance(piecemeal, HeartbeatRow)
    assert piecemeal[:-1] == quick[:-1]


@given(topics, payloads)
def test_every_status_is_a_hint_or_set_aside(topic: str, payload: bytes) -> None:
    hint = decode_status(topic, payload, NOW)
    assert isinstance(hint, StatusHint | Quarantined)
    if isinstance(hint, StatusHint):
        assert hint.sent_at.utcoffset() == timedelta(0)
    else:
        assert is_storable(hint.topic)
