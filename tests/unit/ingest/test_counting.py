"""Counts of who is heard, as they are put together from pages."""

from __future__ import annotations

from services.ingest.domain.counting import OTHERS, VALUES_MAX, Count, Group, Named, Seen, Tally, groups


def shard_of(seen: Seen) -> str | None:
    return None if seen.council_id == "deaf" else "heartbeats-0"


def name_of(model_id: int) -> str:
    return f"Model {model_id}"


def test_the_same_devices_on_several_pages_are_one_group() -> None:
    tally = Tally()
    tally.add(Seen("fife", 1, "23410"), Count(10, 8, 1, 1), missed=3)
    tally.add(Seen("fife", 1, "23410"), Count(5, 2, 0, 2), missed=4)
    tally.add(Seen("fife", 2, ""), Count(1, 1), missed=0)
    assert groups(tally.named_groups(shard_of, name_of)) == {
        Group("heartbeats-0", "fife", "Model 1", "23410"): Count(15, 10, 1, 3),
        Group("heartbeats-0", "fife", "Model 2", ""): Count(1, 1),
    }
    assert tally.missed == 7


def test_whom_nobody_could_hear_is_not_counted_and_what_they_missed_is() -> None:
    tally = Tally()
    tally.add(Seen("deaf", 1, "23410"), Count(10), missed=5)
    assert groups(tally.named_groups(shard_of, name_of)) == {}
    assert tally.missed == 5


def test_values_that_devices_make_up_are_counted_together_beyond_the_largest() -> None:
    """What a device says of itself must not decide how long the list becomes."""
    tally = Tally()
    for n in range(3 * VALUES_MAX):
        tally.add(Seen("fife", 1, f"{n:05}"), Count(2 if n < VALUES_MAX else 1), missed=0)
    counted = groups(tally.named_groups(shard_of, name_of))
    operators = {group.sim_operator for group in counted}
    assert operators == {f"{n:05}" for n in range(VALUES_MAX)} | {OTHERS}
    assert sum(count.expected for count in counted.values()) == 2 * VALUES_MAX + 2 * VALUES_MAX


def test_what_is_named_is_told_apart_within_its_group() -> None:
    tally = Tally()
    tally.add(Seen("fife", 1, "23410"), Count(10, 10), missed=0)
    tally.add(Seen("fife", 1, "23410", Named(cell="7", network="lte")), Count(20, 5), missed=0)
    group = Group("heartbeats-0", "fife", "Model 1", "23410")
    counted = tally.named_groups(shard_of, name_of)
    assert counted == {(group, Named()): Count(10, 10), (group, Named("7", "", "", "lte")): Count(20, 5)}
    assert groups(counted) == {group: Count(30, 15)}
