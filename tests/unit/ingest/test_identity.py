"""By what one alarm event is told from another."""

from datetime import UTC, datetime

import pytest

from services.ingest.domain.decode import decode_alarm
from services.ingest.domain.identity import identity_of, unreadable

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def identity(topic: str, payload: bytes) -> bytes:
    return identity_of(decode_alarm(topic, payload, NOW).event)


def alarm(boot_id: str, seq: int, kind: str = "fall") -> bytes:
    return f'{{"boot_id": "{boot_id}", "seq": {seq}, "kind": "{kind}", "sent_at": "2026-11-21T09:00:00Z"}}'.encode()


TOPIC = "telecare/v1/devices/fife/TC-1/alarm"


def test_boot_and_seq_of_one_device_are_one_event_whatever_else_it_says() -> None:
    assert identity(TOPIC, alarm("b", 1, "fall")) == identity(TOPIC, alarm("b", 1, "smoke"))


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPIC, alarm("b", 2)),
        (TOPIC, alarm("b1", 1)),
        (TOPIC.replace("TC-1", "TC-2"), alarm("b", 1)),
        (TOPIC.replace("fife", "moray"), alarm("b", 1)),
        (TOPIC, b"not even JSON"),
    ],
)
def test_anything_else_is_another(topic: str, payload: bytes) -> None:
    assert identity(topic, payload) != identity(TOPIC, alarm("b", 1))


def test_digits_do_not_wander_between_boot_and_seq() -> None:
    assert identity(TOPIC, alarm("b1", 1)) != identity(TOPIC, alarm("b", 11))


def test_an_alarm_that_the_database_refused_keeps_who_and_when_and_its_bytes() -> None:
    event = decode_alarm(TOPIC, alarm("b", 1), NOW).event
    bare, raw = unreadable(event, alarm("b", 1))
    assert raw == alarm("b", 1)
    assert (bare.event_id, bare.device_id, bare.council_id, bare.received_at) == (event.event_id, "TC-1", "fife", NOW)
    assert (bare.kind, bare.boot_id, bare.seq, bare.sent_at) == ("unreadable", None, None, None)
    assert bare.urgency == 1
