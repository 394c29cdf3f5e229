"""The promises under any interleaving of presses, receipts, reboots, power cuts and broken connections."""

from collections import defaultdict
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.simulator.memory import KeptAlarm
from services.simulator.messages import Outgoing
from services.simulator.occurrence import Occurrence
from services.simulator.timing import Timing
from tests.unit.simulator.simulated_home import Home, read

# A battery that lasts minutes, so that short runs see it empty.
TIMING = Timing(battery_life_s=1200, recharge_s=600, mains_report_delay_s=100)


class DevicePromises(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Home(timing=TIMING)
        self.device = self.home.device
        self.unreceipted: list[KeptAlarm] = []
        self.bytes_of: dict[int, bytes] = {}
        self.sent_last: dict[int, object] = {}
        self.seq_last: dict[str, int] = defaultdict(lambda: -1)

    def _notice_born(self) -> None:
        for alarm in self.device.take_born():
            self.unreceipted.append(alarm)
            self.bytes_of[id(alarm)] = alarm.payload

    def _check(self, messages: list[Outgoing]) -> None:
        for message in messages:
            if message.alarm is not None:
                assert message.payload == self.bytes_of[id(message.alarm)], "repeated byte for byte"
                self.sent_last[id(message.alarm)] = self.home.now
            elif message.lane == "heartbeat":
                told = read(message)
                assert told["boot_id"] == self.device.boot_id
                assert told["seq"] > self.seq_last[told["boot_id"]], "seq rises within a boot"
                self.seq_last[told["boot_id"]] = told["seq"]

    def _step(self, after_s: float = 0.0) -> None:
        self.home.now += timedelta(seconds=after_s)
        messages = self.device.step(self.home.now)
        self._notice_born()
        self._check(messages)

    @rule(kind=st.sampled_from(["personal_trigger", "fall", "smoke"]), test=st.booleans())
    def something_happens(self, kind: str, test: bool) -> None:
        alarm = self.device.raise_alarm(Occurrence(kind=kind, test=test), self.home.now)
        assert (alarm is not None) == self.device.is_on
        self._notice_born()
        if alarm is not None:
            assert alarm.seq > self.seq_last[alarm.boot_id], "seq rises within a boot"
            self.seq_last[alarm.boot_id] = alarm.seq

    @rule(after_s=st.floats(0.0, 700.0))
    def time_passes(self, after_s: float) -> None:
        self._step(after_s)

    @rule()
    def the_device_wakes_when_it_wanted_to(self) -> None:
        wake_at = self.device.wake_at
        if wake_at is None:
            return
        self.home.now = max(self.home.now, wake_at)
        self._step()
        after = self.device.wake_at
        assert after is None or after > self.home.now, "a step does all that is due, or it would be woken for ever"

    @rule()
    def the_connection_stands(self) -> None:
        self.device.connected()
        self._step()

    @rule()
    def the_connection_breaks(self) -> None:
        self.device.disconnected()

    @rule()
    def it_reboots(self) -> None:
        if self.device.is_on:
            self.device.boot(self.home.now)

    @rule()
    def the_mains_fail(self) -> None:
        self.device.lose_mains(self.home.now)

    @rule()
    def the_mains_are_back(self) -> None:
        self.device.restore_mains(self.home.now)
        self._notice_born()

    @precondition(lambda self: self.sent_last)
    @rule(data=st.data(), by_digest=st.booleans())
    def a_receipt_arrives(self, data: st.DataObject, by_digest: bool) -> None:
        sent = [alarm for alarm in self.unreceipted if id(alarm) in self.sent_last]
        if not sent:
            return
        alarm = data.draw(st.sampled_from(sent))
        if by_digest:
            self.home.receipt(alarm, boot_id=None, seq=None, payload_sha256=alarm.payload_sha256)
        else:
            self.home.receipt(alarm)
        self.unreceipted.remove(alarm)
        # The device forgets it, and another object may get its id.
        del self.sent_last[id(alarm)], self.bytes_of[id(alarm)]

    @invariant()
    def no_alarm_without_a_receipt_is_forgotten(self) -> None:
        self._notice_born()
        assert list(self.device.memory) == self.unreceipted

    @invariant()
    def a_connected_box_will_send_each_of_them_again_within_its_longest_wait(self) -> None:
        longest_s = TIMING.repeat_max_s * (1 + TIMING.repeat_jitter)
        for alarm in self.device.memory:
            assert (alarm.due_at - self.home.now).total_seconds() <= longest_s
        if self.device.is_connected and self.unreceipted:
            assert self.device.wake_at is not None

    def teardown(self) -> None:
        """Whatever came before: give it power and a connection, and every alarm goes out once more."""
        self.the_mains_are_back()
        self.device.connected()
        self.sent_last.clear()
        self._step(TIMING.repeat_max_s * (1 + TIMING.repeat_jitter))
        assert {id(alarm) for alarm in self.unreceipted} <= set(self.sent_last)


TestDevicePromises = DevicePromises.TestCase
TestDevicePromises.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
