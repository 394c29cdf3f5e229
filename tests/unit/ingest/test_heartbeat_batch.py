"""How a batch of heartbeats is dealt out to the transactions that store it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import mqtt5
import pytest

from services.chassis.mqtt import Message
from services.ingest.heartbeat_batch import Batch, Part, slices

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def message(device_id: str, lane: str, payload: bytes, *, retain: bool = False) -> Message:
    topic = f"telecare/v1/devices/fife/{device_id}/{lane}"
    return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=retain, packet_id=1)


def heartbeat(device_id: str, seq: int = 1, *, retain: bool = False) -> Message:
    body = f'{{"boot_id": "b", "seq": {seq}, "sent_at": "2026-11-21T09:00:00Z"}}'
    return message(device_id, "heartbeat", body.encode(), retain=retain)


def status(device_id: str, state: str, *, retain: bool = False) -> Message:
    body = f'{{"boot_id": "b", "state": "{state}", "sent_at": "2026-11-21T09:00:00Z"}}'
    return message(device_id, "status", body.encode(), retain=retain)


def dealt(messages: Sequence[Message], parts: int = 1) -> Batch:
    batch = Batch(messages, NOW, [Part() for _ in range(parts)])
    batch.decode(0, len(messages))
    return batch


def test_all_heartbeats_of_a_device_are_in_one_part_in_their_order() -> None:
    batch = dealt([heartbeat(f"TC-{number % 20}", seq) for seq, number in enumerate(range(400))], parts=2)
    first, second = ({row.device_id for row in part.rows} for part in batch.parts)
    assert first
    assert second
    assert not first & second
    for part in batch.parts:
        for device_id in {row.device_id for row in part.rows}:
            seqs = [row.seq for row in part.rows if row.device_id == device_id]
            assert seqs == sorted(seqs)
            assert len(seqs) == 20


def test_what_cannot_be_read_is_set_aside_and_is_life() -> None:
    batch = dealt([message("TC-1", "heartbeat", b"?")])
    [part] = batch.parts
    assert (batch.heartbeats, batch.quarantined_heartbeats) == (1, 1)
    assert part.quarantined[0][0] == "heartbeat"
    assert part.heard == {"TC-1": "fife"}


def test_a_heartbeat_that_the_broker_had_retained_is_data_but_no_life() -> None:
    [part] = dealt([heartbeat("TC-1", retain=True), message("TC-2", "heartbeat", b"?", retain=True)]).parts
    assert [row.device_id for row in part.replayed] == ["TC-1"]
    assert part.rows == []
    assert part.heard == {}
    assert len(part.quarantined) == 1


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (status("TC-1", "online"), True),
        (status("TC-1", "online", retain=True), False),
        (status("TC-1", "offline"), False),
        (status("TC-1", "offline", retain=True), False),
    ],
)
def test_only_a_device_that_itself_says_it_is_online_lives(told: Message, heard: bool) -> None:
    batch = dealt([told])
    [part] = batch.parts
    assert (batch.statuses, batch.heartbeats) == (1, 0)
    assert part.heard == ({"TC-1": "fife"} if heard else {})
    assert part.hinted == (set() if heard else {"TC-1"})


@pytest.mark.parametrize(("rows", "replayed"), [(2, 0), (7, 0), (0, 2), (0, 5), (1, 1), (6, 3)])
def test_halving_leads_to_single_rows_and_forgets_nothing(rows: int, replayed: int) -> None:
    messages = [heartbeat("TC-1", seq) for seq in range(rows)]
    messages += [heartbeat("TC-1", rows + seq, retain=True) for seq in range(replayed)]
    [whole] = dealt([*messages, message("TC-2", "heartbeat", b"?"), status("TC-3", "offline")]).parts
    singles, left = [], [whole]
    while left:
        part = left.pop()
        if part.size > 1:
            left += part.halves()
        else:
            singles.append(part)
    assert sorted(row.seq for part in singles for row in part.rows) == list(range(rows))
    assert sorted(row.seq for part in singles for row in part.replayed) == list(range(rows, rows + replayed))
    assert sum(len(part.quarantined) for part in singles) == 1
    assert [part.hinted for part in singles if part.hinted] == [{"TC-3"}]
    assert [part.heard for part in singles if part.heard] == [{"TC-2": "fife"}]


def test_a_refused_row_is_set_aside_as_it_was_sent() -> None:
    messages = [heartbeat("TC-1", seq) for seq in range(3)]
    batch = dealt(messages)
    [part] = batch.parts
    single = Part(rows=[part.rows[1]], heard={"TC-9": "moray"})  # type: ignore[dict-item]  # ids are strings
    bare = single.without_rows(batch.refused)
    assert bare.size == 0
    [(lane, aside)] = bare.quarantined
    assert (lane, aside.reason, aside.payload) == ("heartbeat", "refused_by_database", messages[1].payload)
    assert bare.heard == {"TC-9": "moray", "TC-1": "fife"}


@pytest.mark.parametrize(
    ("length", "cuts"), [(0, []), (1, [(0, 1)]), (250, [(0, 250)]), (501, [(0, 250), (250, 500), (500, 501)])]
)
def test_slices_cover_everything_once(length: int, cuts: list[tuple[int, int]]) -> None:
    assert list(slices(length, 250)) == cuts
