"""Contract, "HTTP", the alarms."""

import pytest

from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.box import PRIVATE
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import ALARM_FIELDS, HUB, Installation, MakeBox
from tests.support.servers import until

ALARMS = "/api/v1/alarms"


async def test_a_single_alarm_tells_its_history_with_a_reason_for_every_step(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press()
    alarm = await installation.alarm(home.device_id)
    await receiver.told(home.device_id)
    path = f"{ALARMS}/{alarm['alarm_id']}"
    await installation.api.post(f"{path}/acknowledge", {"operator": "morag"})
    await installation.api.post(f"{path}/close", {"operator": "morag", "outcome": "attended", "note": PRIVATE})

    single = (await installation.api.get(path)).body

    assert single.keys() >= ALARM_FIELDS | {"history"}
    assert {"raised", "acknowledged", "closed"} <= {each["event"] for each in single["history"]}
    assert all(each["at"] and each["reason"] for each in single["history"])
    assert [each["at"] for each in single["history"]] == sorted(each["at"] for each in single["history"])
    listed = (await installation.alarms(home.device_id))[0]
    assert listed.keys() >= ALARM_FIELDS
    assert "history" not in listed
    assert (single["outcome"], single["acknowledged_by"], single["state"]) == ("attended", "morag", "closed")
    assert single["raised_at"]  # the box's clock, which need not agree with ours
    assert single["received_at"] <= single["acknowledged_at"] <= single["closed_at"]


async def test_alarms_are_listed_by_state_priority_council_hub_and_device(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    home.press("fall")
    await installation.alarm(home.device_id, kind="fall")
    home.press("door")
    door = await installation.alarm(home.device_id, kind="door")
    await installation.api.post(f"{ALARMS}/{door['alarm_id']}/acknowledge", {"operator": "morag"})

    async def kinds(**query: str | int) -> list[str]:
        return [each["kind"] for each in await installation.alarms(home.device_id, **query)]

    assert await kinds() == ["door", "fall"]  # newest first, all states
    assert await kinds(state="open") == ["fall"]
    assert await kinds(state="acknowledged") == ["door"]
    assert await kinds(state="closed") == []
    assert await kinds(priority=1) == ["fall"]
    assert await kinds(priority=2) == ["door"]
    assert await kinds(council="glasgow-city") == ["door", "fall"]
    assert await kinds(council="moray") == []
    assert await kinds(hub=HUB) == ["door", "fall"]
    assert await kinds(hub="clyde-arc", state="open", priority=1) == ["fall"]


async def test_a_hub_that_was_not_told_does_not_see_the_alarm_among_its_own(
    installation: Installation, box: MakeBox
) -> None:
    await installation.make_hub("idle-arc")
    home = await box()
    home.press()
    await installation.alarm(home.device_id)
    assert await installation.alarms(home.device_id, hub="idle-arc") == []


async def test_a_long_list_comes_in_pages_without_gap_or_overlap(installation: Installation, box: MakeBox) -> None:
    home = await box()
    for number in range(7):
        home.press("fall", peripheral_id=f"belt-{number}")

    async def all_listed() -> bool:
        return len(await installation.alarms(home.device_id)) == 7

    await until(all_listed)
    pages: list[list[str]] = []
    query: dict[str, str | int] = {"limit": 3, "device": home.device_id}
    while True:
        page = (await installation.api.get(ALARMS, **query)).body
        pages.append([each["peripheral_id"] for each in page["items"]])
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(each for page in pages for each in page) == [f"belt-{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 501}, "limit"), ({"limit": 0}, "limit"), ({"cursor": "nonsense"}, "cursor"), ({"state": "sleepy"}, "state"),
        ({"priority": 9}, "priority"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_answered_by_naming_the_field(
    api: Api, query: dict[str, str | int], field: str
) -> None:
    answer = await api.get(ALARMS, **query)
    assert (answer.status, answer.content_type) == (422, PROBLEM)
    assert field in str(answer.body)


async def test_one_operator_takes_an_alarm_and_a_second_learns_who_has_it(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    home.press()
    path = f"{ALARMS}/{(await installation.alarm(home.device_id))['alarm_id']}/acknowledge"

    first = await installation.api.post(path, {"operator": "morag"})
    again = await installation.api.post(path, {"operator": "morag"})
    other = await installation.api.post(path, {"operator": "hamish"})

    assert (first.status, first.body["state"], first.body["acknowledged_by"]) == (200, "acknowledged", "morag")
    assert (again.status, again.body["acknowledged_at"]) == (200, first.body["acknowledged_at"])
    assert (other.status, other.content_type, other.body["acknowledged_by"]) == (409, PROBLEM, "morag")


async def test_a_released_alarm_is_open_again_for_anybody(installation: Installation, box: MakeBox) -> None:
    home = await box()
    home.press()
    path = f"{ALARMS}/{(await installation.alarm(home.device_id))['alarm_id']}"
    await installation.api.post(f"{path}/acknowledge", {"operator": "morag"})

    released = await installation.api.post(f"{path}/release", {"operator": "morag"})

    assert (released.status, released.body["state"], released.body["acknowledged_by"]) == (200, "open", None)
    taken = await installation.api.post(f"{path}/acknowledge", {"operator": "hamish"})
    assert (taken.status, taken.body["acknowledged_by"]) == (200, "hamish")


async def test_nobody_takes_or_closes_an_alarm_without_a_name_or_closes_it_without_an_outcome(
    installation: Installation, box: MakeBox
) -> None:
    home = await box()
    home.press()
    path = f"{ALARMS}/{(await installation.alarm(home.device_id))['alarm_id']}"
    for action, body, field in (
        ("acknowledge", {}, "operator"),
        ("acknowledge", {"operator": ""}, "operator"),
        ("acknowledge", {"operator": "\u00a0"}, "operator"),
        ("release", {}, "operator"),
        ("close", {"operator": "  ", "outcome": "attended"}, "operator"),
        ("close", {"outcome": "attended"}, "operator"),
        ("close", {"operator": "morag"}, "outcome"),
        ("close", {"operator": "morag", "outcome": "bored"}, "outcome"),
    ):
        answer = await installation.api.post(f"{path}/{action}", body)
        assert (answer.status, answer.content_type) == (422, PROBLEM), (action, body)
        assert field in str(answer.body)
    assert (await installation.alarm(home.device_id))["state"] == "open"


@pytest.mark.parametrize(
    "outcome",
    [
        "attended", "emergency_services", "advice_given", "no_response", "accidental", "test", "equipment_fault",
        "data_quality",
    ],
)  # fmt: skip
async def test_an_alarm_is_closed_with_each_outcome_and_a_note(
    installation: Installation, box: MakeBox, outcome: str
) -> None:
    home = await box()
    home.press()
    alarm = await installation.alarm(home.device_id)
    body = {"operator": "morag", "outcome": outcome, "note": PRIVATE}
    closed = await installation.api.post(f"{ALARMS}/{alarm['alarm_id']}/close", body)
    assert (closed.status, closed.body["state"], closed.body["outcome"]) == (200, "closed", outcome)


@pytest.mark.parametrize("alarm_id", ["00000000-0000-4000-8000-000000000000", "no-such-alarm"])
async def test_an_alarm_that_does_not_exist_is_not_found(api: Api, alarm_id: str) -> None:
    for answer in (
        await api.get(f"{ALARMS}/{alarm_id}"),
        await api.post(f"{ALARMS}/{alarm_id}/acknowledge", {"operator": "morag"}),
    ):
        assert (answer.status, answer.content_type) == (404, PROBLEM)


async def test_nobody_can_delete_an_alarm(installation: Installation, box: MakeBox) -> None:
    home = await box()
    home.press()
    alarm = await installation.alarm(home.device_id)
    assert (await installation.api.send("DELETE", f"{ALARMS}/{alarm['alarm_id']}")).status == 405
    assert await installation.alarms(home.device_id)
