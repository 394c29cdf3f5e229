"""Whether a shard's work moves."""

from services.chassis.shard import Progress


def test_nothing_to_store_is_no_standstill() -> None:
    time = [0.0]
    progress = Progress(lambda: time[0])
    time[0] = 100.0
    assert progress.stalled_s == 0.0
    progress.taken(5)
    time[0] = 103.0
    assert progress.stalled_s == 3.0
    progress.taken(5)
    assert progress.stalled_s == 3.0
    progress.stored(5)
    assert progress.stalled_s == 0.0
    time[0] = 110.0
    assert progress.stalled_s == 7.0
    progress.stored(5)
    assert progress.stalled_s == 0.0
