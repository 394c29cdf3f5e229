"""Names, and the topics made of them."""

import pytest

from contracts.ids import CouncilId, DeviceId, HubId, is_boot_id, is_device_id, is_slug
from contracts.topics import (
    ALARMS,
    HEARTBEATS,
    HUB_ACTIONS,
    PROVISIONING_REQUESTS,
    STATUSES,
    device_topic,
    heartbeat_ids,
    heartbeats_of,
    hub_topic,
    parse_device_topic,
    parse_hub_topic,
    provisioning_topic,
    reply_topic,
)

GLASGOW, BOX = CouncilId("glasgow-city"), DeviceId("TC-000123")


@pytest.mark.parametrize("text", ["fife", "glasgow-city", "na-h-eileanan-siar", "hub2", "a" * 64])
def test_a_slug(text: str) -> None:
    assert is_slug(text)


@pytest.mark.parametrize("text", ["", "Fife", "-fife", "fife-", "a--b", "fife\n", "a_b", "dùn-èideann", "a" * 65])
def test_no_slug(text: str) -> None:
    assert not is_slug(text)


@pytest.mark.parametrize("text", ["", "TC 1", "TC/1", "TC-1\n", "a" * 65, "é", "+"])
def test_no_device_id(text: str) -> None:
    assert not is_device_id(text)


def test_ids_at_their_longest() -> None:
    assert is_device_id("a" * 64)
    assert is_boot_id("a" * 36)
    assert not is_boot_id("a" * 37)


def test_the_topics_of_the_contract() -> None:
    assert device_topic(GLASGOW, BOX, "heartbeat") == "telecare/v1/devices/glasgow-city/TC-000123/heartbeat"
    assert hub_topic(HubId("aberdeen-arc"), "action-results") == "telecare/v1/hubs/aberdeen-arc/action-results"
    assert provisioning_topic("SN1", "request") == "telecare/v1/provisioning/SN1/request"
    assert heartbeats_of(GLASGOW) == "telecare/v1/devices/glasgow-city/+/heartbeat"
    assert [ALARMS, HEARTBEATS, STATUSES, HUB_ACTIONS, PROVISIONING_REQUESTS] == [
        "telecare/v1/devices/+/+/alarm",
        "telecare/v1/devices/+/+/heartbeat",
        "telecare/v1/devices/+/+/status",
        "telecare/v1/hubs/+/actions",
        "telecare/v1/provisioning/+/request",
    ]


def test_a_topic_is_taken_apart_into_what_it_was_built_from() -> None:
    parts = parse_device_topic(device_topic(GLASGOW, BOX, "alarm"))
    assert parts is not None
    assert (parts.council_id, parts.device_id, parts.lane) == (GLASGOW, BOX, "alarm")
    hub = parse_hub_topic(hub_topic(HubId("moray-arc"), "actions"))
    assert hub is not None
    assert (hub.hub_id, hub.lane) == ("moray-arc", "actions")


def test_bad_segments_are_kept_as_they_came() -> None:
    parts = parse_device_topic("telecare/v1/devices/Glasgow City//alarm")
    assert parts == ("Glasgow City", "", "alarm")
    assert (parts.council_id, parts.device_id) == (None, None)
    hub = parse_hub_topic("telecare/v1/hubs/Moray ARC/actions")
    assert hub is not None
    assert hub.hub_id is None


@pytest.mark.parametrize("topic", ["", "/", "telecare/v1/devices/a/b", "telecare/v2/devices/a/b/alarm", "a/" * 900])
def test_a_topic_of_another_shape_is_none_of_ours(topic: str) -> None:
    assert parse_device_topic(topic) is None
    assert parse_hub_topic(topic) is None
    assert heartbeat_ids(topic) is None


def test_the_hot_path_reads_a_topic_as_the_ordinary_one_does() -> None:
    assert heartbeat_ids(device_topic(GLASGOW, BOX, "heartbeat")) == (GLASGOW, BOX)
    assert heartbeat_ids(device_topic(GLASGOW, BOX, "alarm")) is None
    assert heartbeat_ids(device_topic(CouncilId("a" * 64), BOX, "heartbeat")) is not None
    assert heartbeat_ids(device_topic(CouncilId("a" * 65), BOX, "heartbeat")) is None
    assert heartbeat_ids(device_topic(GLASGOW, BOX, "heartbeat") + "\n") is None


def test_a_receipt_goes_back_to_the_very_segments_the_alarm_came_on() -> None:
    assert reply_topic("telecare/v1/devices/Glasgow City//alarm", "receipt") == (
        "telecare/v1/devices/Glasgow City//receipt"
    )
    assert reply_topic("somewhere/else", "receipt") is None
    assert reply_topic("telecare/v1/devices/+/#/alarm", "receipt") is None
