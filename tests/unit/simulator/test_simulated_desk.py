import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.vocabulary import Outcome
from services.simulator.desk import Answer, Desk, HubConfig
from services.simulator.logbook import Logbook, Notified
from tests.support.servers import until

AT_ONCE = HubConfig(reaction_s=(0.0, 0.0), handling_s=0.0, seed=1)
NEVER_CLOSES = HubConfig(reaction_s=(0.0, 0.0), handling_s=None, seed=1)


class Actions:
    """The far end: answers as told, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self._answers = list(answers)

    async def acknowledge(self, alarm_id: str, operator: str) -> Answer:
        return self._answer("acknowledge", alarm_id, operator)

    async def close(self, alarm_id: str, operator: str, outcome: Outcome) -> Answer:
        assert outcome in HubConfig().outcomes
        return self._answer("close", alarm_id, operator)

    def _answer(self, action: str, alarm_id: str, operator: str) -> Answer:
        self.asked.append((action, alarm_id, operator))
        return self._answers.pop(0) if self._answers else "done"


def told(id_: str = "n1", kind: str = "alarm.raised", **data: Any) -> Notified:
    defaults = {"alarm_id": "a1", "priority": 1, "state": "open", "test": False}
    body = json.dumps({"id": id_, "type": kind, "timestamp": "2026-11-21T09:00:00Z", "data": defaults | data}).encode()
    return Logbook().enter(body)[0]


async def test_an_alarm_is_taken_dealt_with_and_closed_by_one_operator() -> None:
    actions = Actions()
    desk = Desk(AT_ONCE, actions)
    desk.take(told())
    await until(lambda: desk.closed == ["a1"])
    (acknowledge, _, first), (close, _, second) = actions.asked
    assert (acknowledge, close) == ("acknowledge", "close")
    assert first == second in AT_ONCE.operators
    await desk.close()


@pytest.mark.parametrize(
    "data", [{"priority": 5}, {"test": True}, {"state": "acknowledged"}, {"state": "closed"}, {"alarm_id": None}]
)
async def test_nobody_takes_what_needs_nobody(data: dict[str, Any]) -> None:
    actions = Actions()
    desk = Desk(AT_ONCE, actions)
    desk.take(told(**data))
    desk.take(told("n2", alarm_id="a2"))
    await until(lambda: desk.closed == ["a2"])
    assert {alarm_id for _, alarm_id, _ in actions.asked} == {"a2"}
    await desk.close()


async def test_an_alarm_left_to_somebody_else_is_taken_when_they_have_not() -> None:
    actions = Actions()
    desk = Desk(NEVER_CLOSES, actions)
    desk.leave("TC-000001", 1.0)
    desk.take(told("n1", alarm_id="theirs", device_id="TC-000001"))
    desk.take(told("n2", alarm_id="ours", device_id="TC-000002"))
    await until(lambda: desk.acknowledged == ["ours", "theirs"])
    await desk.close()


async def test_an_alarm_that_escalates_before_anyone_reacted_is_taken_once() -> None:
    actions = Actions()
    desk = Desk(NEVER_CLOSES, actions)
    for number, kind in enumerate(("alarm.raised", "alarm.repeated", "alarm.escalated")):
        desk.take(told(f"n{number}", kind))
    await until(lambda: desk.acknowledged)
    assert actions.asked == [("acknowledge", "a1", actions.asked[0][2])]
    await desk.close()


async def test_an_alarm_that_opens_again_is_taken_again() -> None:
    desk = Desk(NEVER_CLOSES, Actions())
    desk.take(told())
    await until(lambda: desk.acknowledged == ["a1"])
    desk.take(told("n2", "alarm.repeated"))
    await until(lambda: desk.acknowledged == ["a1", "a1"])
    await desk.close()


async def test_an_operator_insists_while_we_are_away_and_gives_way_to_a_colleague() -> None:
    actions = Actions("unavailable", "unavailable", "settled_already")
    desk = Desk(AT_ONCE, actions)
    desk.take(told())
    await until(lambda: len(actions.asked) == 3)
    await desk.close()
    assert desk.acknowledged == desk.closed == desk.refused == []


async def test_a_refusal_is_remembered() -> None:
    desk = Desk(AT_ONCE, Actions("refused"))
    desk.take(told())
    await until(lambda: desk.refused == ["a1"])
    await desk.close()


async def test_a_desk_that_closes_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    desk = Desk(HubConfig(reaction_s=(60, 60)), Actions())
    desk.take(told())
    await desk.close()
    assert asyncio.all_tasks() == before


def test_one_id_is_one_entry_however_often_it_comes() -> None:
    book = Logbook()
    entry = told()
    assert book.enter(entry.body)[1]
    again, is_new = book.enter(entry.body, webhook_id="n1")
    assert not is_new
    assert again.deliveries == 2
    assert len(book) == 1
    assert book.broken_promises == []


@pytest.mark.parametrize("spoil", [lambda body: body.replace(b"09:00", b"09:01"), lambda body: body + b" "])
def test_a_body_that_changes_under_its_id_breaks_a_promise(spoil: Callable[[bytes], bytes]) -> None:
    book = Logbook()
    book.enter(told().body)
    book.enter(spoil(told().body))
    assert len(book.broken_promises) == 1


def test_a_header_that_is_not_the_bodys_id_breaks_a_promise() -> None:
    book = Logbook()
    book.enter(told().body, webhook_id="other")
    assert len(book.broken_promises) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"id":1,"type":"x","data":{}}', b'{"id":"n","type":"x"}'])
def test_what_is_no_notification_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Logbook().enter(body)
