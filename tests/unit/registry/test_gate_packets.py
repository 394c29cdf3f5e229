"""What the gate reads of MQTT, and what it makes of a CONNECT before the broker sees it."""

import contextlib

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.gate.packets import Connect, Unreadable, subscribing, topic_of

V311 = b"\x00\x04MQTT\x04\xc2\x00\x3c\x00\x05NEW-1\x00\x04user\x00\x04word"


def hello(**options: object) -> Connect:
    """A CONNECT of MQTT 5, as the gate reads it."""
    packet = mqtt5.ConnectPacket("NEW-1", username="user", password=b"word", **options).write()  # type: ignore[arg-type]
    return Connect.read(packet[2:])


def test_a_unit_comes_to_the_broker_under_a_name_that_no_device_has() -> None:
    renamed = hello(keep_alive=17, session_expiry_interval=600).renamed(
        "enrolment:fife:NEW-1", "enrolment:fife", "secret"
    )
    packet, _ = mqtt5.read(memoryview(renamed))
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.username, packet.password) == ("enrolment:fife:NEW-1", "enrolment:fife", b"secret")
    assert (packet.keep_alive, packet.session_expiry_interval) == (17, 600)


def test_a_unit_of_mqtt_3_1_1_comes_likewise() -> None:
    read = Connect.read(V311)
    assert (read.client_id, read.username, read.password, read.will_topic) == ("NEW-1", "user", b"word", None)
    again = Connect.read(read.renamed("other", "u", "p")[2:])
    assert (again.client_id, again.username, again.password, again.head) == ("other", "u", b"p", read.head)


def test_the_last_word_of_a_unit_is_read_too() -> None:
    will = mqtt5.Will(topic="telecare/v1/devices/fife/NEW-1/status", payload=b"offline")
    assert hello(will=will).will_topic == "telecare/v1/devices/fife/NEW-1/status"


def test_of_what_a_unit_asks_for_only_its_receipts_are_left_and_all_else_as_it_was() -> None:
    own = "telecare/v1/devices/fife/NEW-1/receipt"
    asked = mqtt5.SubscribePacket(
        7, [mqtt5.TopicFilter("#"), mqtt5.TopicFilter(own, max_qos=mqtt5.QoS.AT_LEAST_ONCE)], subscription_id=3
    )
    packet, _ = mqtt5.read(memoryview(subscribing(asked.write()[2:], 5, own)))
    assert isinstance(packet, mqtt5.SubscribePacket)
    assert [each.pattern for each in packet.topic_filters] == ["telecare/v1/refused", own]
    assert (packet.packet_id, packet.subscription_id) == (7, 3)
    v311 = b"\x00\x07" + b"\x00\x01#\x00" + len(own).to_bytes(2, "big") + own.encode() + b"\x01"
    assert subscribing(v311, 4, own)[2:] == v311.replace(b"\x00\x01#", b"\x00\x13telecare/v1/refused")


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_unreadable(body: bytes) -> None:
    for read in (
        Connect.read,
        topic_of,
        lambda body: subscribing(body, 5, "x"),
        lambda body: subscribing(body, 4, "x"),
    ):
        with contextlib.suppress(Unreadable):
            read(body)
    with pytest.raises(Unreadable):
        Connect.read(V311[: len(V311) - 1 - len(body) % 20])
