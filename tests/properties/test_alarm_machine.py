"""The alarm machine under any interleaving of what devices, people, channels, silences, time and crashes can do to it.

What would be stored is kept here as the database keeps it: the alarms by id, every transition, who was told. A crash loses
whatever was decided and not stored, so the same trigger is decided again from the last stored state.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.alarm_event import AlarmEvent
from contracts.policy import Ladder, Policy
from contracts.vocabulary import Outcome, Priority, Status
from services.alerts.domain.alarm import Alarm, TransitionEvent
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Circumstances, Decision, Reason, Refusal, RefusalReason
from services.alerts.domain.events import judged
from services.alerts.domain.routing import Reach, who_is_told
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
from tests.properties.outbox import Mood, Outbox, Parcel
from tests.properties.policies import COUNCILS, POLICIES
from tests.unit.alerts.build import KNOWN, NOON, event

OPERATORS = st.sampled_from(["morag", "hamish", "ailsa"])
KINDS = st.sampled_from(["fall", "flood", "device_silent", "power_supply", "never_heard_of"])
STATUSES: st.SearchStrategy[Status] = st.sampled_from(["activated", "battery_low", "failure", "restored", "cancelled"])
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(["attended", "no_response", "accidental"])
MOODS: st.SearchStrategy[Mood] = st.sampled_from(["well", "refuses", "hangs"])
A_DAY = timedelta(days=1)

BEGINS_ANEW = {
    Reason.FIRST_EVENT,
    Reason.EVENT_AFTER_ACKNOWLEDGEMENT,
    Reason.MORE_URGENT_EVENT,
    Reason.SILENCE_ENDED,
}
"""The ladder starts at its foot; so it does when what nobody has `ROSE_WITH_TIME`."""


@dataclass
class Stored:
    """One alarm, what happened to it in order, which events are in it, and since when it waits by its ladder."""

    alarm: Alarm
    happened: list[tuple[TransitionEvent, Reason]] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    waits_since: datetime = NOON  # when it was last opened, or rose: only deliveries since then count
    looked_after: tuple[datetime, int] = (NOON, 0)  # since when nobody was away, and on which step it then stood
    counts_from: datetime = NOON  # what the policy's seconds are counted from
    last_round_at: datetime = NOON  # when everybody on its step was last told
    sent_since: frozenset[str] = frozenset()  # hubs told since it began to wait


class AlarmMachine(RuleBasedStateMachine):
    alarms: Bundle[str] = Bundle("alarms")

    @initialize(policy=POLICIES, council=COUNCILS)
    def a_council(self, policy: Policy, council: Reach) -> None:
        self.policy, self.council = policy, council
        self.now = NOON
        self.stored: dict[str, Stored] = {}
        self.arrived: dict[str, str] = {}  # event_id → alarm_id
        self.outbox = Outbox()
        self.moods: dict[str, Mood] = {}
        self.silences: dict[Priority, datetime] = {}

    # -- what devices do ---------------------------------------------------------------------------------------------

    @rule(
        target=alarms, kind=KINDS, status=STATUSES, peripheral=st.sampled_from([None, "pendant-1"]), test=st.booleans()
    )
    def press(self, kind: str, status: Status, peripheral: str | None, test: bool) -> str:
        return self._arrive(event(kind, status, peripheral_id=peripheral, test=test, received_at=self.now))

    @rule(target=alarms, kind=st.sampled_from(["fall", "flood"]))
    def somebody_needs_help(self, kind: str) -> str:
        return self._arrive(event(kind, received_at=self.now))

    @rule(target=alarms, alarm_id=alarms, status=STATUSES | st.just("activated"))
    def press_again(self, alarm_id: str, status: Status) -> str:
        alarm = self.stored[alarm_id].alarm
        return self._arrive(event(alarm.kind, status, peripheral_id=alarm.peripheral_id, received_at=self.now))

    def _arrive(self, happened: AlarmEvent) -> str:
        joins = None if happened.test else self._open_alarm_of(happened)
        before = joins.alarm if joins else None
        decision = self._decide(before, EventArrived(happened, KNOWN))
        assert isinstance(decision, Decision), "no event is ever refused"
        after = decision.alarm
        assert decision.event is not None, "every event is a transition, and told"
        if before is None:
            assert after.alarm_id not in self.stored, "another event is another alarm"
            self.stored[after.alarm_id] = Stored(after)
        else:
            assert after.alarm_id == before.alarm_id
            assert after.event_count == before.event_count + 1
            self._check_joined(before, decision, judged(happened, KNOWN))
        self.stored[after.alarm_id].events.add(happened.event_id)
        self.arrived[happened.event_id] = after.alarm_id
        self._store(decision)
        return after.alarm_id

    def _check_joined(self, before: Alarm, decision: Decision, priority: Priority) -> None:
        after = decision.alarm
        assert after.priority == min(before.priority, priority), "as urgent as its most urgent event"
        if priority <= before.priority:
            assert after.state == "open", "an event as urgent as the alarm opens it again"
        if priority == before.priority and before.state == "open":
            self._check_pressed_again(before, decision)
        if priority > before.priority and after.state != "closed":
            assert (after.state, after.step, after.told_at) == (before.state, before.step, before.told_at)
            assert after.wake_at == before.wake_at or after.silenced_until is not None

    def _check_pressed_again(self, before: Alarm, decision: Decision) -> None:
        after, ladder = decision.alarm, self._ladder(before)
        climbs = decision.reason == Reason.PRESSED_AGAIN
        assert after.step == min(before.step + climbs, len(ladder.steps) - 1), "one step, and never past the top"
        assert before.wake_at is not None
        assert after.wake_at is not None
        if after.step == before.step:
            assert after.wake_at == before.wake_at or after.silenced_until is not None, "it holds back no round"
        else:
            told_all_again_at = self.now + timedelta(seconds=ladder.repeat_every_s)
            undelivered_at = self.now + timedelta(seconds=ladder.undelivered_after_s)
            assert after.wake_at <= max(before.wake_at, told_all_again_at, undelivered_at)

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
        before = self.stored[alarm_id].alarm
        decision = self._decide(before, Release(operator))
        if isinstance(decision, Decision):
            assert (decision.alarm.state, decision.alarm.acknowledged_by) == ("open", None)
            assert decision.alarm.step == before.step, "it does not go down the ladder"
        self._store(decision)

    @rule(alarm_id=alarms, operator=OPERATORS, outcome=OUTCOMES)
    def close(self, alarm_id: str, operator: str, outcome: Outcome) -> None:
        self._store(self._decide(self.stored[alarm_id].alarm, Close(operator, outcome)))

    @rule(priorities=st.sets(st.sampled_from([*Priority]), min_size=1), lasts_s=st.sampled_from([60, 3600, 7 * 86_400]))
    def somebody_silences(self, priorities: set[Priority], lasts_s: int) -> None:
        """Life and welfare can't be written; that they are all the same must change nothing."""
        self.silences |= dict.fromkeys(priorities, self.now + timedelta(seconds=lasts_s))

    @rule()
    def somebody_ends_the_silences(self) -> None:
        self.silences.clear()
        for each in self.stored.values():
            if each.alarm.silenced_until is not None and each.alarm.wake_at is not None:
                each.alarm = replace(each.alarm, wake_at=min(each.alarm.wake_at, self.now))
        self._everyone_due_is_woken()

    # -- what time does ----------------------------------------------------------------------------------------------

    @rule(passed_s=st.sampled_from([0.5, 15, 30, 61, 180, 600]))
    def time_passes(self, passed_s: float) -> None:
        """Whoever is due is woken at that moment."""
        end = self.now + timedelta(seconds=passed_s)
        while due := [at for each in self.stored.values() if (at := each.alarm.wake_at) and at <= end]:
            self.now = max(self.now, min(due))
            self._everyone_due_is_woken()
            self.nothing_that_is_due_was_left_undone()
        self.now = end

    @rule(passed_s=st.sampled_from([20, 61, 3600, 90_000, 400 * 86_400]))
    def the_service_is_away_and_comes_back(self, passed_s: float) -> None:
        """Escalation deadlines never stop: they fire at once on return."""
        self.now += timedelta(seconds=passed_s)
        self._everyone_due_is_woken()
        for each in self.stored.values():
            each.looked_after = (self.now, each.alarm.step)

    def _everyone_due_is_woken(self) -> None:
        for alarm_id in list(self.stored):
            rounds = 0
            while (wake_at := self.stored[alarm_id].alarm.wake_at) is not None and wake_at <= self.now:
                before = self.stored[alarm_id].alarm
                decision = self._decide(before, Woken())
                assert isinstance(decision, Decision), "who is due is looked at"
                self._check_step(before, decision)
                self._store(decision)
                rounds += 1
                assert rounds <= len(self._ladder(before).steps) + 12, "it would be looked at for ever"
        for each in self.stored.values():
            if each.alarm.wake_at is None or each.alarm.wake_at > self.now:
                refused = decide(each.alarm, Woken(), self.now, self._around())
                assert isinstance(refused, Refusal), "and nobody else is"

    def _check_step(self, before: Alarm, decision: Decision) -> None:
        after, top = decision.alarm, len(self._ladder(decision.alarm).steps) - 1
        match decision.reason:
            case Reason.NOT_DELIVERED:
                assert after.step == min(before.step + 1, top)
            case Reason.NOT_ACKNOWLEDGED:
                assert after.step in {before.step, min(before.step + 1, top)}, "no step is skipped"
            case Reason.REPAIR_OVERDUE:
                assert after.step == top
                assert before.repair_due_at is not None
                assert before.told_at is None or before.told_at < before.repair_due_at, "everybody, and once"
            case Reason.NOT_CLOSED | Reason.ALREADY_SO:
                assert after.step == before.step
            case _:
                assert decision.reason in {Reason.SILENCED, Reason.SILENCE_ENDED, Reason.ROSE_WITH_TIME}

    # -- what channels do --------------------------------------------------------------------------------------------

    @rule(hub=st.sampled_from(["hub-0", "hub-1", "hub-2", "elsewhere", "far-off"]), mood=MOODS)
    def a_hub_changes(self, hub: str, mood: Mood) -> None:
        self.moods[hub] = mood
        self._send()

    @rule(mood=MOODS)
    def all_hubs_change(self, mood: Mood) -> None:
        for hub in self.council.hubs:
            self.moods[hub.hub_id] = mood
        self._send()

    @precondition(lambda self: any(each.state == "pending" for each in self.outbox.parcels))
    @rule(data=st.data(), state=st.sampled_from(["delivered", "failed"]))
    def a_hub_that_hung_answers_at_last(self, data: st.DataObject, state: str) -> None:
        waiting = [each for each in self.outbox.parcels if each.state == "pending"]
        self._answered(data.draw(st.sampled_from(waiting)), delivered=state == "delivered")
        self._send()

    def _send(self) -> None:
        """Everything that can be sent is sent, and what follows from the answers too."""
        sent = 0
        while (
            parcel := next(
                (p for p in self.outbox.parcels if p.state == "pending" and self._mood(p.hub) != "hangs"), None
            )
        ) is not None:
            self._answered(parcel, delivered=self._mood(parcel.hub) == "well")
            sent += 1
            assert sent <= 2000, "what is refused for good is sent again and again at the same instant"

    def _mood(self, hub: str) -> Mood:
        return self.moods.get(hub, "well")

    def _answered(self, parcel: Parcel, *, delivered: bool) -> None:
        before = self.stored[parcel.alarm_id].alarm
        parcel.state = "delivered" if delivered else "failed"
        if delivered:
            decision = self._decide(before, Delivered(parcel.told_at))
            assert isinstance(decision, Decision)
            assert decision.alarm.notified_at == (before.notified_at or self.now)
            self._store(decision)
        elif self.outbox.refused_everywhere(parcel):
            decision = self._decide(before, RefusedForGood())
            if isinstance(decision, Decision):
                assert decision.alarm.step in {before.step, before.step + 1}, "no step is skipped"
            self._store(decision)

    # -- crashes -----------------------------------------------------------------------------------------------------

    def _decide(self, alarm: Alarm | None, trigger: Trigger) -> Decision | Refusal:
        """Decide, lose it, and decide again: a crash before the commit changes nothing about what is decided."""
        lost = decide(alarm, trigger, self.now, self._around())
        decision = decide(alarm, trigger, self.now, self._around())
        assert decision == lost
        return decision

    def _around(self) -> Circumstances:
        return Circumstances(7, self.policy, {each: until for each, until in self.silences.items() if until > self.now})

    def _ladder(self, alarm: Alarm) -> Ladder:
        return self.policy.of(alarm.priority)

    # -- what is stored, and who is told -----------------------------------------------------------------------------

    def _store(self, decision: Decision | Refusal) -> None:
        if isinstance(decision, Refusal):
            return
        after = decision.alarm
        kept = self.stored[after.alarm_id]
        before, kept.alarm = kept.alarm, after
        assert after.priority <= before.priority, "an alarm never becomes less urgent"
        assert after.policy_id == 7, "it keeps the policy that it began with"
        if after.silenced_until is not None and before.silenced_until is None:
            kept.sent_since = frozenset()
        if decision.event is None:
            assert after.state == before.state, "nothing changes its state without a transition"
            return
        assert decision.notification is not None, "every transition is one notification"
        kept.happened.append((decision.event, decision.reason))
        self._began_to_wait(kept, decision, before)
        self._tell(kept, decision)
        self._send()

    def _began_to_wait(self, kept: Stored, decision: Decision, before: Alarm) -> None:
        rose_open = decision.reason == Reason.ROSE_WITH_TIME and before.state == "open"
        if decision.reason in BEGINS_ANEW or rose_open:
            assert decision.alarm.step == 0, "the ladder begins at its foot"
            kept.waits_since = kept.counts_from = kept.last_round_at = self.now
            kept.looked_after = (self.now, 0)
            kept.sent_since = frozenset()
        elif decision.event == "released":
            steps = self._ladder(decision.alarm).steps
            kept.waits_since = kept.last_round_at = self.now
            kept.looked_after = (self.now, decision.alarm.step)
            kept.counts_from = self.now - timedelta(seconds=steps[min(decision.alarm.step, len(steps) - 1)].after_s)
            kept.sent_since = frozenset()

    def _tell(self, kept: Stored, decision: Decision) -> None:
        alarm = decision.alarm
        reach = replace(self.council, told=self.outbox.told_before(alarm.alarm_id))
        told = who_is_told(decision, reach, self.policy, self.now)
        telling = self.outbox.tell(
            alarm.alarm_id,
            told,
            self.now,
            reuse_unsent=decision.reuse_unsent,
            hastens=decision.event in {"raised", "repeated", "escalated"},
        )
        if not decision.tells:
            assert alarm.priority > Priority.WELFARE or alarm.test, "life and welfare are never held back"
            return
        if not telling.hubs:
            assert not self.council.hubs, "nobody is told only when there is nobody"
        kept.sent_since |= telling.hubs
        if decision.event == "escalated" or (decision.reason == Reason.PRESSED_AGAIN and alarm.told_at == self.now):
            kept.last_round_at = self.now
        if alarm.state == "open":
            self._check_told(kept, decision, telling.responders)

    def _check_told(self, kept: Stored, decision: Decision, responders: frozenset[str]) -> None:
        """As many of the council's hubs as its step says, in the council's order."""
        alarm = decision.alarm
        ladder = self._ladder(alarm)
        step = ladder.steps[min(alarm.step, len(ladder.steps) - 1)]
        named = sorted((hub for hub in self.council.hubs if hub.rung is not None), key=lambda hub: hub.rung or 0)
        if alarm.priority != Priority.DEGRADED:
            assert {hub.hub_id for hub in named[: step.hubs]} <= kept.sent_since
        if step.hubs is None:
            assert {hub.hub_id for hub in named} <= kept.sent_since
        if step.responders and self.council.responders:
            called = responders | self.outbox.told_before(alarm.alarm_id)
            assert called & {each.responder_id for each in self.council.responders}, (
                "on duty or not, somebody is called"
            )
        their_time_is_up = self.now >= alarm.ladder_at + timedelta(seconds=ladder.undelivered_after_s)
        at_the_top = alarm.step == len(ladder.steps) - 1 and alarm.reached_at is None
        if at_the_top and their_time_is_up and self.council.fallback is None:
            assert kept.sent_since == {hub.hub_id for hub in self.council.hubs}, "the last resort is every hub there is"

    # -- what holds whatever happens ---------------------------------------------------------------------------------

    @invariant()
    def somebody_looks_within_a_day_at_every_alarm_that_is_not_closed(self) -> None:
        for each in self._all():
            alarm = each.alarm
            assert (alarm.state == "closed") == (alarm.wake_at is None)
            if alarm.wake_at is not None:
                assert alarm.wake_at <= alarm.changed_at + A_DAY
                assert alarm.told_at is not None or alarm.silenced_until is not None

    @invariant()
    def nothing_that_is_due_was_left_undone(self) -> None:
        for each in self._all():
            if each.alarm.state == "open" and each.alarm.silenced_until is None:
                self._check_clocks(each)
            if each.alarm.priority <= Priority.WELFARE:
                assert each.alarm.silenced_until is None, "life and welfare are never silenced"

    def _check_clocks(self, each: Stored) -> None:
        """By our own record, and not by the machine's: only what is due at this very instant may still be undone."""
        alarm, ladder = each.alarm, self._ladder(each.alarm)
        top = len(ladder.steps) - 1
        waited_s = (self.now - each.counts_from).total_seconds()
        by_the_clock = sum(1 for step in ladder.steps if step.after_s < waited_s) - 1
        assert alarm.step >= by_the_clock, "each step is taken at its time"
        if not self.outbox.has_been_delivered(alarm.alarm_id, each.waits_since):
            assert alarm.reached_at is None, "what a hub had before it was opened again is no news of that"
            since, stood_on = each.looked_after
            climbs = max(-(-(self.now - since).total_seconds() // ladder.undelivered_after_s) - 1, 0)
            assert alarm.step >= min(stood_on + climbs, top), (
                "what no hub has climbs each time that a hub should have had it"
            )
        if alarm.step >= top:
            assert self.now - each.last_round_at <= timedelta(seconds=ladder.repeat_every_s), "and then for ever"

    @invariant()
    def no_event_vanishes(self) -> None:
        for event_id, alarm_id in getattr(self, "arrived", {}).items():
            assert event_id in self.stored[alarm_id].events
        for each in self._all():
            assert each.alarm.event_count == len(each.events)

    @invariant()
    def life_and_welfare_are_closed_by_a_named_person_with_an_outcome(self) -> None:
        for each in self._all():
            alarm = each.alarm
            if alarm.state == "closed" and alarm.priority <= Priority.WELFARE:
                assert alarm.closed_by not in {None, "system"}
                assert alarm.outcome is not None

    @invariant()
    def whoever_has_an_alarm_is_named(self) -> None:
        for each in self._all():
            alarm = each.alarm
            if alarm.state == "open":
                assert alarm.acknowledged_by is None
            if alarm.state == "acknowledged":
                assert alarm.acknowledged_by is not None
                assert alarm.acknowledged_at is not None

    @invariant()
    def every_alarm_begins_with_the_event_that_made_it(self) -> None:
        for each in self._all():
            assert each.happened[0][0] in {"raised", "restored", "cancelled", "test_received"}
            if each.alarm.test:
                assert [happened for happened, _ in each.happened] == ["test_received"], "a test is never joined"

    def _all(self) -> list[Stored]:
        return [*getattr(self, "stored", {}).values()]


AlarmMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyInterleaving = AlarmMachine.TestCase
