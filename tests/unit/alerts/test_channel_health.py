"""When a channel counts as dead, and when as alive again."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import HubId, NotificationId
from services.alerts.probes.health import (
    FAILURES_MAX,
    PROBE_EVERY,
    PROBE_EXPIRES,
    Health,
    alive,
    begun,
    failed,
    next_probe_at,
    untried,
)
from services.alerts.probes.telling import channel_event
from tests.unit.alerts.build import GLASGOW, NOON, seconds

CHANNEL = UUID("00000000-0000-0000-0000-00000000002a")
NEW = Health(channel_id=CHANNEL, hub_id=HubId("clyde-arc"), kind="webhook", look_at=NOON)


def after_failures(count: int) -> Health:
    health = NEW
    for number in range(count):
        at = NOON + number * PROBE_EVERY
        health, _ = failed(begun(health, NotificationId("msg_1"), at, at), "HTTP 503", at + PROBE_EXPIRES)
    return health


def test_two_failures_are_no_alarm_the_third_is_and_those_after_it_say_nothing_new() -> None:
    turns = []
    health = NEW
    for number in range(5):
        at = NOON + number * PROBE_EVERY
        health, turn = failed(begun(health, NotificationId("msg_1"), at, at), "HTTP 503", at)
        turns.append(turn)
    assert turns == [None, None, "activated", None, None]
    assert (health.failures, health.failing_since, health.alarm_at) == (5, NOON, NOON + 2 * PROBE_EVERY)


@pytest.mark.parametrize("failures", range(FAILURES_MAX + 2))
def test_one_success_ends_whatever_failed_before_and_only_an_episode_is_restored(failures: int) -> None:
    at = NOON + timedelta(hours=1)
    well, turn = alive(after_failures(failures), at, at)
    assert turn == ("restored" if failures >= FAILURES_MAX else None)
    assert (well.failures, well.failing_since, well.last_error, well.alarm_at) == (0, None, None, None)
    assert well.last_alive_at == at


def test_a_channel_that_failed_thrice_came_back_and_fails_again_is_a_new_episode() -> None:
    well, _ = alive(after_failures(FAILURES_MAX), NOON, NOON)
    turns = []
    for _ in range(FAILURES_MAX):
        well, turn = failed(well, "HTTP 503", NOON)
        turns.append(turn)
    assert turns == [None, None, "activated"]


@given(st.lists(st.booleans(), max_size=40))
def test_whatever_comes_of_probes_episodes_begin_and_end_in_turn_and_after_three_failures(arrived: list[bool]) -> None:
    health, turns, in_a_row = NEW, [], 0
    for number, is_alive in enumerate(arrived):
        at = NOON + number * PROBE_EVERY
        health = begun(health, NotificationId("msg_1"), at, at)
        health, turn = alive(health, at, at) if is_alive else failed(health, "HTTP 503", at)
        in_a_row = 0 if is_alive else in_a_row + 1
        assert health.failures == in_a_row
        assert (health.failing_since is None) == (in_a_row == 0)  # as the table's CHECKs have it
        assert health.is_failing == (in_a_row >= FAILURES_MAX)
        assert health.probe_id is None
        assert at < health.look_at <= at + PROBE_EVERY
        turns += [turn] if turn else []
    assert turns == ["activated", "restored"] * (len(turns) // 2) + ["activated"] * (len(turns) % 2)
    assert health.is_failing == (len(turns) % 2 == 1)


def test_probes_keep_to_their_five_minutes_however_late_one_was() -> None:
    first = next_probe_at(CHANNEL, NOON)
    assert timedelta(0) < first - NOON <= PROBE_EVERY
    assert next_probe_at(CHANNEL, first) == first + PROBE_EVERY
    assert next_probe_at(CHANNEL, first + seconds(299)) == first + PROBE_EVERY
    assert next_probe_at(CHANNEL, first + seconds(301)) == first + 2 * PROBE_EVERY


def test_probes_are_spread_over_the_five_minutes() -> None:
    minutes = [int((next_probe_at(uuid4(), NOON) - NOON).total_seconds() // 60) for _ in range(500)]
    assert all(50 < minutes.count(minute) < 150 for minute in range(5))


def test_the_next_probe_begins_after_the_one_before_has_expired() -> None:
    assert PROBE_EXPIRES < PROBE_EVERY
    health = replace(NEW, probe_id=NotificationId("msg_1"), probed_at=NOON)
    ended, _ = failed(health, "no answer", NOON + PROBE_EXPIRES)
    assert ended.look_at > NOON + PROBE_EXPIRES
    assert ended.probe_id is None


@pytest.mark.parametrize("failures", range(FAILURES_MAX + 2))
def test_a_probe_that_was_never_sent_changes_nothing_but_when_the_next_one_is(failures: int) -> None:
    before = begun(after_failures(failures), NotificationId("msg_2"), NOON, NOON)
    after = untried(before, NOON + PROBE_EXPIRES)
    assert after == replace(before, probe_id=None, look_at=next_probe_at(CHANNEL, NOON + PROBE_EXPIRES))


@pytest.mark.parametrize("hub_id", ["c", "clyde-arc", "a" * 64])
def test_the_alarm_of_a_channel_names_its_hub_and_the_channel_within_the_lengths_of_the_contract(hub_id: str) -> None:
    health = replace(after_failures(3), hub_id=HubId(hub_id))
    event = channel_event("activated", health, GLASGOW, NOON)
    assert event.device_id == f"hub-{hub_id}"[:64]
    assert event.peripheral_id == "webhook-000000000000"
    assert (event.kind, event.status, int(event.urgency)) == ("channel_failing", "activated", 3)
    assert (event.topic, event.boot_id, event.seq, event.council_id) == ("", None, None, GLASGOW)
    assert event.text is not None
    assert len(event.text) <= 128
    assert channel_event("restored", health, None, NOON).event_id != event.event_id
