from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.device import Receipt
from services.simulator import traces
from services.simulator.memory import KeptAlarm
from services.simulator.occurrence import Occurrence
from services.simulator.population import Population
from services.simulator.traces import AlarmTrace, Ledger
from tests.unit.simulator.simulated_home import Home, only

DEVICE = Population(1)[0]


def born(ledger: Ledger, home: Home, **occurrence: Any) -> tuple[KeptAlarm, AlarmTrace]:
    alarm = home.device.raise_alarm(Occurrence(**{"kind": "fall"} | occurrence), home.now)
    assert alarm is not None
    return alarm, ledger.born(DEVICE, alarm)


def receipt(alarm: KeptAlarm, state: Any, **changes: Any) -> Receipt:
    fields = {"boot_id": alarm.boot_id, "seq": alarm.seq, "state": state, "alarm_id": "a1", "at": datetime.now(UTC)}
    return Receipt(**fields | changes)


def test_any_receipt_implies_stored() -> None:
    ledger = Ledger()
    alarm, trace = born(ledger, Home())
    ledger.receipted(DEVICE, receipt(alarm, "acknowledged"))
    assert trace.stored_at is not None
    assert trace.notified_at is None
    assert (ledger.totals.stored, ledger.totals.acknowledged) == (1, 1)
    assert trace.is_settled


def test_a_receipt_that_comes_twice_counts_once() -> None:
    ledger = Ledger()
    alarm, trace = born(ledger, Home())
    for state in ("stored", "stored", "acknowledged", "acknowledged", "closed", "closed"):
        ledger.receipted(DEVICE, receipt(alarm, state))
    totals = ledger.totals
    assert (totals.stored, totals.acknowledged, totals.closed) == (1, 1, 1)
    assert trace.delay_s("closed") is not None


def test_a_test_call_is_settled_once_stored_and_needs_nobody() -> None:
    ledger = Ledger()
    alarm, trace = born(ledger, Home(), test=True)
    assert (ledger.totals.alarms, ledger.totals.needing_person) == (1, 0)
    assert not trace.is_settled
    ledger.receipted(DEVICE, receipt(alarm, "stored"))
    assert trace.is_settled
    assert not trace.is_acknowledged


def test_a_restore_that_closes_an_alarm_settles_it_though_nobody_took_it() -> None:
    ledger = Ledger()
    alarm, trace = born(ledger, Home(), status="battery_low")
    ledger.receipted(DEVICE, receipt(alarm, "closed"))
    assert trace.is_settled
    assert trace.is_delivered
    assert (ledger.totals.acknowledged, ledger.totals.needing_person) == (0, 1)


def test_a_receipt_with_a_digest_is_for_those_bytes_only() -> None:
    ledger, home = Ledger(), Home()
    first, first_trace = born(ledger, home, garbling="binary")
    _, second_trace = born(ledger, home, garbling="binary")
    ledger.receipted(DEVICE, receipt(first, "stored", boot_id=None, seq=None, payload_sha256=first.payload_sha256))
    assert first_trace.stored_at is not None
    assert second_trace.stored_at is None


def test_sending_again_is_a_repeat() -> None:
    ledger, home = Ledger(), Home()
    home.connect()
    _, trace = born(ledger, home)
    (message,) = only(home.step(), "alarm")
    ledger.published(DEVICE, message, 1.0)
    ledger.published(DEVICE, message, 2.0)
    assert (trace.sent_at, trace.sent_count) == (1.0, 2)
    assert (ledger.totals.sent, ledger.totals.repeats) == (1, 1)


def test_in_a_long_run_settled_traces_make_room_and_open_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "TRACES_MAX", 10)
    ledger, home = Ledger(), Home()
    _, open_trace = born(ledger, home)
    settled = [born(ledger, home) for _ in range(50)]
    for alarm, _ in settled:
        ledger.receipted(DEVICE, receipt(alarm, "acknowledged"))
    born(ledger, home)
    assert ledger.totals.alarms == 52
    assert open_trace in ledger.traces
    assert len(ledger.traces) < 52
    ledger.receipted(DEVICE, receipt(settled[0][0], "closed"))  # of one that was dropped: nothing to do
