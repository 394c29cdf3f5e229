"""The ladder: who hears of an alarm, and what an attempt to tell them comes to."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.ids import HubId
from contracts.policy import DEFAULT_POLICY
from contracts.rota import Hours
from contracts.vocabulary import Priority
from services.alerts.domain.decision import Decision, Reason
from services.alerts.domain.delivery import AWAITING, DELIVERED, Verdict, of_http_status, retry_at
from services.alerts.domain.routing import Channel, Reach, Recipient, Responder, who_is_told
from tests.unit.alerts.build import NOON, arrives, event, seconds


def hub(name: str, rung: int | None = None) -> Recipient:
    return Recipient(HubId(name), (Channel(f"{name}-1", "webhook"),), rung)


def responder(name: str, *hours: Hours) -> Responder:
    return Responder(name, "sms", hours)


NIGHTS = Hours.model_validate(
    {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "20:00", "until": "08:00"}
)
ABERDEEN, MORAY, FORTH = hub("aberdeen-arc", 0), hub("moray-arc", 1), hub("forth-arc", 2)
FIFE, BORDERS = hub("fife-arc"), hub("borders-arc")
COUNCIL = Reach((FIFE, FORTH, MORAY, ABERDEEN))
NOBODYS = Reach((FIFE, BORDERS))


def on_step(step: int, *, kind: str = "fall", reached: bool = True, **fields: Any) -> Decision:
    """An alarm is on this step, and told; its hubs have had half a minute."""
    alarm = arrives(None, event(kind)).alarm
    alarm = replace(alarm, step=step, ladder_at=NOON - seconds(30), reached_at=NOON if reached else None)
    return Decision(alarm=alarm, event="escalated", reason=Reason.NOT_ACKNOWLEDGED, **fields)


def told(decision: Decision, reach: Reach, at: datetime = NOON) -> tuple[list[str], list[str]]:
    """Hubs, and responders, in order."""
    found = who_is_told(decision, reach, DEFAULT_POLICY, at)
    return [each.hub_id for each in found.hubs], [each.responder_id for each in found.responders]


def hubs(decision: Decision, reach: Reach) -> list[str]:
    return told(decision, reach)[0]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, ["aberdeen-arc"]),
        (1, ["aberdeen-arc", "moray-arc"]),
        (2, ["aberdeen-arc", "moray-arc", "forth-arc"]),
    ],
)
def test_hubs_are_told_in_the_councils_order_and_at_last_all_of_them(step: int, expected: list[str]) -> None:
    assert hubs(on_step(step), COUNCIL) == expected


def test_whoever_was_told_before_hears_the_rest_even_from_the_foot_of_the_ladder() -> None:
    reach = replace(COUNCIL, told=frozenset({"moray-arc", "fife-arc"}))
    assert hubs(on_step(0), reach) == ["aberdeen-arc", "fife-arc", "moray-arc"]


def test_what_is_held_back_is_told_only_to_whoever_was_told_before() -> None:
    reach = replace(COUNCIL, told=frozenset({"moray-arc"}))
    assert hubs(on_step(2, tells=False), reach) == ["moray-arc"]
    assert hubs(on_step(2, tells=False), COUNCIL) == []


def test_whoever_refused_it_for_good_is_not_asked_again_before_the_others() -> None:
    reach = replace(COUNCIL, told=frozenset({"aberdeen-arc"}))
    assert hubs(on_step(1, to_others=True, reached=False), reach) == ["moray-arc"]


def test_whoever_refused_it_is_asked_again_when_there_are_no_others() -> None:
    alone = Reach((ABERDEEN,), told=frozenset({"aberdeen-arc"}))
    assert hubs(on_step(1, to_others=True, reached=False), alone) == ["aberdeen-arc"]


def test_without_a_route_the_fallback_hub_is_told_and_it_is_said() -> None:
    reach = replace(NOBODYS, fallback=HubId("borders-arc"))
    assert hubs(on_step(0), reach) == ["borders-arc"]
    assert who_is_told(on_step(0), reach, DEFAULT_POLICY, NOON).unroutable


@pytest.mark.parametrize("fallback", [None, HubId("no-such-hub")])
def test_without_a_route_or_a_fallback_every_hub_is_told_at_once(fallback: HubId | None) -> None:
    assert hubs(on_step(0), replace(NOBODYS, fallback=fallback)) == ["fife-arc", "borders-arc"]


def test_nobody_is_told_only_when_there_is_nobody() -> None:
    assert told(on_step(2), Reach((), fallback=HubId("fife-arc"))) == ([], [])


# -- the last resort: every hub of the council was told, and none has it ------------------------------------------------


def test_what_no_hub_of_the_council_has_goes_to_the_fallback_hub_too() -> None:
    reach = replace(COUNCIL, fallback=HubId("fife-arc"))
    assert hubs(on_step(2, reached=False), reach) == ["aberdeen-arc", "moray-arc", "forth-arc", "fife-arc"]
    assert "fife-arc" not in hubs(on_step(2), reach), "a hub has it: no stranger is asked"
    assert "fife-arc" not in hubs(on_step(1, reached=False), reach), "not before every hub of the council was told"


def test_what_no_hub_of_the_council_has_and_without_a_fallback_goes_to_every_hub_there_is() -> None:
    assert set(hubs(on_step(2, reached=False), COUNCIL)) == {"aberdeen-arc", "moray-arc", "forth-arc", "fife-arc"}


def test_a_fallback_that_is_among_those_who_do_not_answer_is_no_last_resort() -> None:
    reach = replace(COUNCIL, fallback=HubId("moray-arc"))
    assert "fife-arc" in hubs(on_step(2, reached=False), reach)


def test_no_stranger_is_asked_before_the_councils_hubs_have_had_their_time_or_have_refused() -> None:
    """A policy of one step begins at its top; and three quick presses are there in a second."""
    waits = on_step(2, reached=False)
    just_begun = replace(waits, alarm=replace(waits.alarm, ladder_at=NOON - seconds(14)))
    assert hubs(just_begun, COUNCIL) == ["aberdeen-arc", "moray-arc", "forth-arc"]
    assert "fife-arc" in hubs(replace(just_begun, to_others=True), COUNCIL)


def test_the_last_resort_is_for_who_waits_and_not_for_who_is_looked_after() -> None:
    waits = on_step(2, reached=False)
    taken = replace(waits, alarm=replace(waits.alarm, state="acknowledged"))
    assert "fife-arc" not in hubs(taken, COUNCIL)


# -- responders -----------------------------------------------------------------------------------------------------------


def test_responders_come_with_the_last_step_and_in_their_order() -> None:
    reach = replace(COUNCIL, responders=(responder("warden"), responder("daughter")))
    assert [told(on_step(step), reach)[1] for step in (0, 1, 2)] == [[], [], ["warden", "daughter"]]


def test_only_who_is_on_duty_is_woken() -> None:
    reach = replace(COUNCIL, responders=(responder("night-warden", NIGHTS), responder("daughter")))
    assert told(on_step(2), reach, NOON)[1] == ["daughter"]
    assert told(on_step(2), reach, NOON + timedelta(hours=9))[1] == ["night-warden", "daughter"]


def test_when_nobody_is_on_duty_everybody_is_called() -> None:
    reach = replace(COUNCIL, responders=(responder("night-warden", NIGHTS), responder("neighbour", NIGHTS)))
    assert told(on_step(2), reach, NOON)[1] == ["night-warden", "neighbour"]


def test_a_responder_who_was_told_hears_how_it_goes_on() -> None:
    reach = replace(
        COUNCIL, responders=(responder("warden", NIGHTS), responder("daughter")), told=frozenset({"warden"})
    )
    assert told(on_step(0), reach)[1] == ["warden"]
    assert told(on_step(2), reach)[1] == ["warden", "daughter"]
    assert told(on_step(0, tells=False), reach)[1] == ["warden"]


def test_responders_are_told_at_once_of_life_and_welfare_when_there_is_no_hub_at_all() -> None:
    nobody_else = Reach((), (responder("daughter"),))
    assert [told(on_step(step), nobody_else) for step in (0, 2)] == [([], ["daughter"])] * 2
    assert told(on_step(0, kind="bed"), nobody_else) == ([], ["daughter"])
    assert told(on_step(0, kind="power_supply"), nobody_else) == ([], [])


def test_a_stuck_button_does_not_ring_a_telephone_at_every_press() -> None:
    reach = replace(COUNCIL, responders=(responder("warden"), responder("daughter")), told=frozenset({"warden"}))
    pressed = replace(on_step(2), event="repeated")
    assert told(pressed, reach)[1] == ["daughter"]
    assert told(pressed, replace(reach, told=frozenset({"warden", "daughter"})))[1] == []
    assert told(on_step(2), replace(reach, told=frozenset({"warden", "daughter"})))[1] == ["warden", "daughter"]


# -- what is only degraded goes to the technical hub ------------------------------------------------------------------------


def test_what_is_degraded_goes_first_to_the_technical_hub() -> None:
    reach = replace(COUNCIL, technical=HubId("fife-arc"))
    degraded = on_step(0, kind="power_supply")
    assert degraded.alarm.priority == Priority.DEGRADED
    assert hubs(degraded, reach) == ["fife-arc"]
    assert hubs(on_step(1, kind="power_supply"), reach) == ["fife-arc", "aberdeen-arc", "moray-arc", "forth-arc"]
    assert "fife-arc" not in hubs(on_step(0), reach), "a fall is not for technicians"


def test_a_council_without_a_technical_hub_sends_what_is_degraded_to_its_first() -> None:
    assert hubs(on_step(0, kind="power_supply"), COUNCIL) == ["aberdeen-arc"]


def test_that_a_councils_devices_are_badly_heard_goes_to_the_technical_hub_and_of_nobodys_to_everybody() -> None:
    reach = replace(COUNCIL, technical=HubId("fife-arc"))
    badly_heard = arrives(None, event("monitoring_impaired", "failure")).alarm
    assert (badly_heard.priority, badly_heard.council_id) == (Priority.UNPROTECTED, "glasgow-city")
    told_of = Decision(alarm=badly_heard, event="raised", reason=Reason.FIRST_EVENT)
    assert hubs(told_of, reach) == ["fife-arc"]
    nobodys = replace(told_of, alarm=replace(badly_heard, council_id=None))
    assert sorted(hubs(nobodys, reach)) == ["aberdeen-arc", "fife-arc", "forth-arc", "moray-arc"]


# -- what an attempt comes to -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "permanent"),
        (308, "permanent"),
        (400, "permanent"),
        (401, "permanent"),
        (408, "transient"),
        (410, "permanent"),
        (425, "transient"),
        (429, "transient"),
        (500, "transient"),
        (503, "transient"),
        (101, "transient"),
    ],
)
def test_what_an_answer_means(status: int, verdict: Verdict) -> None:
    assert of_http_status(status).verdict == verdict


def test_a_life_alarm_is_tried_again_at_most_ten_seconds_apart_for_ever() -> None:
    def gap(attempts: int) -> float:
        return (retry_at("webhook", Priority.LIFE, "transient", attempts, NOON) - NOON).total_seconds()

    assert [gap(n) for n in (1, 2, 3, 4, 5, 6, 100_000)] == [1, 2, 4, 8, 9, 9, 9]


def test_less_urgent_ones_and_receipts_wait_longer_and_still_for_ever() -> None:
    def due(kind: str, attempts: int) -> datetime:
        return retry_at(kind, Priority.DEGRADED, "transient", attempts, NOON)  # type: ignore[arg-type]

    assert due("mqtt", 10**6) == NOON + seconds(120)
    assert due("receipt", 10**6) == NOON + seconds(600)


def test_a_hub_has_nine_seconds_to_say_received_before_it_is_told_again() -> None:
    assert AWAITING != DELIVERED
    assert retry_at("mqtt", Priority.LIFE, "awaiting", 1, NOON) == NOON + seconds(9)


def test_a_text_that_is_on_its_way_is_asked_about_less_and_less() -> None:
    asked = [retry_at("sms", Priority.LIFE, "awaiting", attempts, NOON) - NOON for attempts in (1, 4, 5, 6, 7, 1000)]
    assert asked == [timedelta(seconds=number) for number in (9, 9, 16, 32, 60, 60)]
