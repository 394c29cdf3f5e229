"""What the canary's hub takes for its own, and so says that it has received."""

import json
from typing import Any

import pytest

from services.canary.line import Told, read


def told(**other: Any) -> bytes:
    alarm = {"device_id": "canary-alarms", "event": {"boot_id": "b", "seq": 7}} | other.pop("data", {})
    return json.dumps({"id": "msg_1", "type": "test.received", "data": alarm} | other).encode()


def test_a_press_of_its_own_is_received() -> None:
    assert read(told()) == Told("msg_1", "b", 7)


@pytest.mark.parametrize(
    "notification",
    [told(type="alarm.raised"), told(data={"device_id": "TC-000123"}), told(type="outage.opened")],
    ids=["an alarm, though a canary's", "somebody's test", "an outage"],
)
def test_a_home_that_came_here_is_received_by_no_hub_that_is_nobodys(notification: bytes) -> None:
    assert read(notification) is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", told(data={"event": None}), told(data={"device_id": 7})])
def test_what_cannot_be_read_is_said_to_be_so(payload: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        read(payload)
