"""Whom nobody listens to, by the shards' filters."""

from __future__ import annotations

from services.alerts.domain.unheard import Elsewhere, Lane, Shard, Unheard, advice, heard, unheard, unheard_elsewhere

COUNCILS = ("fife", "moray", "angus")


def shard(name: str, *councils: str, worked: bool = True, lane: Lane = "heartbeat") -> Shard:
    return Shard(name, lane, tuple(f"telecare/v1/devices/{each}/+/{lane}" for each in councils), worked)


ALARMS = shard("alarms", "+", lane="alarm")


def test_with_a_shard_for_all_nobody_is_unheard() -> None:
    assert list(unheard([ALARMS, shard("all", "+")], COUNCILS)) == []
    assert heard([ALARMS, shard("all", "+")], COUNCILS) == set(COUNCILS)


def test_a_council_that_no_filter_lets_through_is_unheard_and_an_alarms_shard_is_no_ear_for_heartbeats() -> None:
    shards = [ALARMS, shard("a", "fife"), shard("b", "moray", "elsewhere")]
    assert list(unheard(shards, COUNCILS)) == [Unheard("council", "council angus", "heartbeat", frozenset({"angus"}))]
    assert heard(shards, COUNCILS) == {"fife", "moray"}


def test_a_shard_that_nobody_ever_worked_is_unheard_and_its_councils_are_no_others() -> None:
    shards = [ALARMS, shard("a", "fife", "angus"), shard("b", "moray", worked=False)]
    assert list(unheard(shards, COUNCILS)) == [Unheard("shard", "shard b", "heartbeat", frozenset({"moray"}))]
    assert heard(shards, COUNCILS) == {"fife", "angus"}


def test_an_alarms_shard_that_nobody_ever_worked_concerns_all() -> None:
    shards = [shard("alarms", "+", worked=False, lane="alarm"), shard("a", "+")]
    assert list(unheard(shards, COUNCILS)) == [Unheard("shard", "shard alarms", "alarm", frozenset(COUNCILS))]


def test_without_a_shard_every_council_is_unheard() -> None:
    assert [each.name for each in unheard([], COUNCILS)] == ["council angus", "council fife", "council moray"]


def test_whoever_runs_it_is_told_what_to_do() -> None:
    left = Shard(
        "a", "heartbeat", shard("a", "fife", "shard").filters, worked=True, subscribed=shard("a", "fife").filters
    )
    said = advice(unheard([left, shard("b", "moray", worked=False)], [*COUNCILS, "shard"]))
    assert "council angus: add its topics" in said
    assert "shard b: start `telecare ingest`" in said
    assert "council shard: it is in a shard's filters, and not subscribed to" in said


def test_devices_by_anothers_topics_are_unheard_when_no_shard_lets_those_through() -> None:
    by_moray = [Elsewhere("fife", "moray")]
    assert list(unheard_elsewhere([shard("all", "+")], by_moray)) == []
    assert list(unheard_elsewhere([shard("a", "moray")], by_moray)) == []
    [topics] = unheard_elsewhere([ALARMS, shard("a", "fife")], by_moray)
    assert (topics.kind, topics.name) == ("topics", "topics of moray (devices of fife)")
    assert "topics of moray (devices of fife): add those topics" in advice([topics])


def test_a_council_is_heard_from_when_the_broker_has_granted_it_until_the_filters_leave_it_out() -> None:
    filters, granted = shard("a", "fife", "angus").filters, shard("a", "fife", "moray").filters
    changed = Shard("a", "heartbeat", filters, worked=True, subscribed=granted)
    assert heard([changed], COUNCILS) == {"fife"}
    assert [(each.kind, each.name) for each in unheard([changed], COUNCILS)] == [
        ("ungranted", "council angus"),
        ("council", "council moray"),
    ]
    for_all = Shard("a", "heartbeat", filters, worked=True, subscribed=shard("a", "+").filters)
    assert heard([for_all], COUNCILS) == {"fife", "angus"}
