"""What people are sent to read: enough to act on, and nothing that a device or a stranger wrote."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.alarm import EventView
from contracts.notification import AlarmData, Notification
from services.alerts.channels.wording import Wording, wording
from tests.blackbox.box import PRIVATE
from tests.unit.alerts.build import NOON, arrives, event

PUBLIC_URL = "https://telecare.example/"
ALARM_ID = "0b5f1c0e-7f0a-4e7e-9d5e-1f6f1f0f2a11"


def told(type_: str = "alarm.raised", **data: Any) -> str:
    alarm = {
        "alarm_id": ALARM_ID,
        "device_id": "TC-000123",
        "council_id": "glasgow-city",
        "installation_ref": "GLA-4711",
        "priority": 1,
        "kind": "carbon_monoxide",
        "location": "front_door",
        "test": False,
        "received_at": "2026-06-01T02:14:05Z",
    }
    return json.dumps({"id": "msg_1", "type": type_, "timestamp": "2026-06-01T02:14:06Z", "data": alarm | data})


def all_of(words: Wording) -> str:
    return f"{words.subject}\n{words.text}\n{words.short}"


def test_an_operator_reads_what_where_when_and_how_urgent() -> None:
    words = wording(told(), PUBLIC_URL)
    assert words.subject == "Priority 1, carbon monoxide: alarm (device TC-000123)"
    for fact in ("1 (life)", "GLA-4711", "TC-000123", "glasgow-city", "front door", "03:14:05 BST"):
        assert fact in words.text
    assert f"https://telecare.example/console/alarms/{ALARM_ID}" in words.text
    assert words.short == (
        "Priority 1 carbon monoxide: alarm. Installation GLA-4711, device TC-000123, glasgow-city, front door."
        f" 03:14 on 01 Jun. https://telecare.example/console/alarms/{ALARM_ID}"
    )
    assert words.urgent


def test_who_reads_it_is_told_that_reading_takes_no_alarm() -> None:
    assert "takes no alarm" in wording(told()).text


def test_without_a_public_address_there_is_no_link() -> None:
    assert "http" not in all_of(wording(told()))


@pytest.mark.parametrize(("status", "said"), [("battery_low", "battery low"), ("failure", "not working")])
def test_a_pendant_that_fails_is_not_told_as_one_that_was_pressed(status: str, said: str) -> None:
    words = wording(told(kind="personal_trigger", status=status, priority=3))
    assert words.subject == f"Priority 3, personal trigger, {said}: alarm (device TC-000123)"
    assert said in words.short


def test_a_test_says_first_that_it_is_one_and_is_not_urgent() -> None:
    words = wording(told("test.received", test=True, priority=5), PUBLIC_URL)
    assert words.subject.startswith("TEST: ")
    assert words.short.startswith("TEST: ")
    assert not words.urgent


def test_what_a_device_or_an_operator_wrote_is_repeated_to_nobody() -> None:
    data = {
        "kind": PRIVATE,
        "location": PRIVATE,
        "peripheral_id": PRIVATE,
        "device_id": f"{PRIVATE} of 3 High Street",
        "council_id": f"{PRIVATE}!",
        "acknowledged_by": PRIVATE,
        "note": PRIVATE,
        "event": {"text": PRIVATE, "location": PRIVATE},
    }
    words = wording(told("alarm.acknowledged", **data), PUBLIC_URL)
    assert PRIVATE not in all_of(words)
    assert "unknown kind" in words.subject


def test_what_the_contract_writes_can_be_read() -> None:
    happened = event("fall", text=PRIVATE)
    alarm = arrives(None, happened).alarm
    data = AlarmData(**alarm.view().model_dump(), event=EventView.of(happened))
    told = Notification(id="msg_1", type="alarm.raised", timestamp=NOON, data=data)
    words = wording(told.model_dump_json(), PUBLIC_URL)
    assert words.subject == "Priority 1, fall: alarm (device TC-000123)"
    assert "GLA-4711" in words.short
    assert PRIVATE not in all_of(words)


def test_a_code_says_how_long_it_holds_and_nothing_of_any_alarm() -> None:
    body = json.dumps({"type": "hub.probe", "data": {"verification_code": "123456", "channel_id": "c"}})
    words = wording(body, PUBLIC_URL, datetime(2026, 11, 22, 3, 29, tzinfo=UTC))
    assert "123456, valid until 03:29 on 22 Nov" in words.text
    assert "123456, valid until 03:29 on 22 Nov" in words.short
    assert "123456" not in words.subject  # which a locked telephone shows


def test_a_probe_asks_nobody_to_do_anything() -> None:
    words = wording(json.dumps({"type": "hub.probe", "data": {"channel_id": "c"}}))
    assert "nothing to do" in words.short


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"data":[]}', '{"data":{"priority":"1"}}', "no json"])
def test_a_body_that_cannot_be_read_is_still_an_urgent_alarm(body: str) -> None:
    words = wording(body)
    assert words.subject.startswith("Priority 1, unknown kind")
    assert words.urgent


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_fields = st.sampled_from(
    ["alarm_id", "device_id", "council_id", "installation_ref", "priority", "kind", "location", "test", "received_at"]
)


@given(st.text(), _any_json, st.dictionaries(_fields, _any_json))
def test_whatever_a_body_holds_the_subject_is_one_short_line_and_the_text_fits(
    type_: str, timestamp: object, data: dict[str, Any]
) -> None:
    words = wording(json.dumps({"type": type_, "timestamp": timestamp, "data": data}), PUBLIC_URL)
    assert words.subject.isprintable()
    assert len(words.subject) <= 200
    assert words.short.isprintable()
    assert len(words.short) <= 600
