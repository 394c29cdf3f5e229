"""The alarm machine under any interleaving of what devices, people, channels and crashes can do to it.

What would be stored is kept here as the database keeps it: the alarms by id, and every transition. A crash loses whatever
was decided and not stored, so the same trigger is decided again from the last stored state.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from contracts.alarm_event import AlarmEvent
from contracts.vocabulary import Outcome, Priority, Status
from services.alerts.domain.alarm import Alarm, TransitionEvent
from services.alerts.domain.decide import POLICY, decide
from services.alerts.domain.decision import Decision, Reason, Refusal, RefusalReason
from services.alerts.domain.events import judged
from services.alerts.domain.triggers import (
    Acknowledge,
    Close,
    Delivered,
    EventArrived,
    RefusedForGood,
    Release,
    Trigger,
    Woken,
)
from tests.unit.alerts.build import KNOWN, NOON, event

OPERATORS = st.sampled_from(["morag", "hamish", "ailsa"])
KINDS = st.sampled_from(["fall", "flood", "power_supply", "never_heard_of"])
STATUSES: st.SearchStrategy[Status] = st.sampled_from(["activated", "battery_low", "failure", "restored", "cancelled"])
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(["attended", "no_response", "accidental"])


@dataclass
class Stored:
    """One alarm, what happened to it in order, and which events are in it."""

    alarm: Alarm
    happened: list[tuple[TransitionEvent, Reason]] = field(default_factory=list)
    events: set[str] = field(default_factory=set)


class AlarmMachine(RuleBasedStateMachine):
    alarms: Bundle[str] = Bundle("alarms")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.stored: dict[str, Stored] = {}
        self.arrived: dict[str, str] = {}  # event_id → alarm_id

    # -- what devices do ---------------------------------------------------------------------------------------------

    @rule(
        target=alarms, kind=KINDS, status=STATUSES, peripheral=st.sampled_from([None, "pendant-1"]), test=st.booleans()
    )
    def press(self, kind: str, status: Status, peripheral: str | None, test: bool) -> str:
        return self._arrive(event(kind, status, peripheral_id=peripheral, test=test, received_at=self.now))

    @rule(target=alarms, alarm_id=alarms, status=STATUSES)
    def press_again(self, alarm_id: str, status: Status) -> str:
        alarm = self.stored[alarm_id].alarm
        return self._arrive(event(alarm.kind, status, peripheral_id=alarm.peripheral_id, received_at=self.now))

    def _arrive(self, happened: AlarmEvent) -> str:
        joins = None if happened.test else self._open_alarm_of(happened)
        before = joins.alarm if joins else None
        decision = self._decide(before, EventArrived(happened, KNOWN))
        assert isinstance(decision, Decision), "no event is ever refused"
        after = decision.alarm
        assert decision.event is not None, "every event is told to people"
        if before is None:
            assert after.alarm_id not in self.stored, "another event is another alarm"
            self.stored[after.alarm_id] = Stored(after)
        else:
            assert after.alarm_id == before.alarm_id
            assert after.event_count == before.event_count + 1
            self._check_joined(before, decision, judged(happened, KNOWN))
        self._store(decision)
        self.stored[after.alarm_id].events.add(happened.event_id)
        self.arrived[happened.event_id] = after.alarm_id
        return after.alarm_id

    def _check_joined(self, before: Alarm, decision: Decision, priority: Priority) -> None:
        after = decision.alarm
        assert after.priority == min(before.priority, priority), "as urgent as its most urgent event"
        if priority <= before.priority:
            assert after.state == "open", "an event as urgent as the alarm opens it again"
        if priority == before.priority and before.state == "open":
            assert after.wake_at == before.wake_at, "pressing again never holds back the next step"
        if priority > before.priority and after.state != "closed":
            assert (after.state, after.step, after.wake_at) == (before.state, before.step, before.wake_at)

    def _open_alarm_of(self, happened: AlarmEvent) -> Stored | None:
        found = [
            each
            for each in self.stored.values()
            if each.alarm.state != "closed"
            and (each.alarm.kind, each.alarm.peripheral_id) == (happened.kind, happened.peripheral_id)
        ]
        assert len(found) <= 1, "one open alarm of a device, kind and peripheral"
        return found[0] if found else None

    # -- what people do ----------------------------------------------------------------------------------------------

    @rule(alarm_id=alarms, operator=OPERATORS)
    def acknowledge(self, alarm_id: str, operator: str) -> None:
        before = self.stored[alarm_id].alarm
        decision = self._decide(before, Acknowledge(operator))
        match before.state:
            case "closed":
                assert decision == Refusal(RefusalReason.ALREADY_CLOSED)
            case "acknowledged" if before.acknowledged_by != operator:
                assert decision == Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, before.acknowledged_by)
            case _:
                assert isinstance(decision, Decision)
                assert (decision.alarm.state, decision.alarm.acknowledged_by) == ("acknowledged", operator)
        self._store(decision)

    @rule(alarm_id=alarms, operator=OPERATORS)
    def release(self, alarm_id: str, operator: str) -> None:
        decision = self._decide(self.stored[alarm_id].alarm, Release(operator))
        if isinstance(decision, Decision):
            assert (decision.alarm.state, decision.alarm.acknowledged_by) == ("open", None)
        self._store(decision)

    @rule(alarm_id=alarms, operator=OPERATORS, outcome=OUTCOMES)
    def close(self, alarm_id: str, operator: str, outcome: Outcome) -> None:
        self._store(self._decide(self.stored[alarm_id].alarm, Close(operator, outcome)))

    # -- what time and channels do -----------------------------------------------------------------------------------

    @rule(passed_s=st.sampled_from([0.5, 30, 60, 61, 3600, 90_000]))
    def time_passes_and_everyone_due_is_woken(self, passed_s: float) -> None:
        self.now += timedelta(seconds=passed_s)
        for each in list(self.stored.values()):
            before = each.alarm
            decision = self._decide(before, Woken())
            if before.wake_at is not None and before.wake_at <= self.now:
                assert isinstance(decision, Decision), "who is due is looked at"
                assert decision.event == "escalated"
                expected = before.step + 1 if before.state == "open" else before.step
                assert decision.alarm.step == expected, "no step is skipped"
            else:
                assert isinstance(decision, Refusal)
            self._store(decision)

    @rule(alarm_id=alarms)
    def a_hub_has_it(self, alarm_id: str) -> None:
        before = self.stored[alarm_id].alarm
        decision = self._decide(before, Delivered())
        assert isinstance(decision, Decision)
        assert decision.alarm.notified_at == (before.notified_at or self.now)
        self._store(decision)

    @rule(alarm_id=alarms, others_left=st.booleans())
    def every_channel_refuses(self, alarm_id: str, others_left: bool) -> None:
        self._store(self._decide(self.stored[alarm_id].alarm, RefusedForGood(others_left)))

    # -- crashes -----------------------------------------------------------------------------------------------------

    def _decide(self, alarm: Alarm | None, trigger: Trigger) -> Decision | Refusal:
        """Decide, lose it, and decide again: a crash before the commit changes nothing about what is decided."""
        lost = decide(alarm, trigger, self.now)
        decision = decide(alarm, trigger, self.now)
        assert decision == lost
        return decision

    def _store(self, decision: Decision | Refusal) -> None:
        if isinstance(decision, Refusal):
            return
        after = decision.alarm
        kept = self.stored[after.alarm_id]
        if decision.event is None:
            assert after.state == kept.alarm.state, "nothing changes its state without a transition"
        else:
            assert decision.notification is not None, "every transition is one notification"
            kept.happened.append((decision.event, decision.reason))
        assert after.priority <= kept.alarm.priority, "an alarm never becomes less urgent"
        kept.alarm = after

    # -- what holds whatever happens ---------------------------------------------------------------------------------

    @invariant()
    def somebody_looks_at_every_alarm_that_is_not_closed(self) -> None:
        for each in self.stored.values():
            alarm = each.alarm
            assert (alarm.state == "closed") == (alarm.wake_at is None)
            if alarm.wake_at is not None:
                limit = POLICY.acknowledge_within if alarm.state == "open" else POLICY.follow_up_after
                assert alarm.wake_at <= self.now + limit

    @invariant()
    def no_event_vanishes(self) -> None:
        for event_id, alarm_id in self.arrived.items():
            assert event_id in self.stored[alarm_id].events
        for each in self.stored.values():
            assert each.alarm.event_count == len(each.events)

    @invariant()
    def life_and_welfare_are_closed_by_a_named_person_with_an_outcome(self) -> None:
        for each in self.stored.values():
            alarm = each.alarm
            if alarm.state == "closed" and alarm.priority <= Priority.WELFARE:
                assert alarm.closed_by not in {None, "system"}
                assert alarm.outcome is not None

    @invariant()
    def whoever_has_an_alarm_is_named(self) -> None:
        for each in self.stored.values():
            alarm = each.alarm
            if alarm.state == "open":
                assert alarm.acknowledged_by is None
            if alarm.state == "acknowledged":
                assert alarm.acknowledged_by is not None
                assert alarm.acknowledged_at is not None

    @invariant()
    def every_alarm_begins_with_the_event_that_made_it(self) -> None:
        for each in self.stored.values():
            assert each.happened[0][0] in {"raised", "restored", "cancelled", "test_received"}
            if each.alarm.test:
                assert [happened for happened, _ in each.happened] == ["test_received"], "a test is never joined"


AlarmMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyInterleaving = AlarmMachine.TestCase
