"""An operator sees and does what the API would let them, and what a stranger's device sends is text and nothing else."""

import asyncio
from datetime import timedelta

from contracts.vocabulary import KINDS as ALL_KINDS
from contracts.vocabulary import OUTCOMES as ALL_OUTCOMES
from services.alerts.console.presence import EXPIRES_AFTER
from services.alerts.console.words import KINDS, OUTCOMES, knows_reason
from services.alerts.domain.decision import Reason
from tests.integration.alerts.console.conftest import SCRIPT, Enter
from tests.integration.alerts.running import Installation
from tests.support.servers import until


async def test_a_hub_sees_its_own_alarms_and_no_others(alerts: Installation, enter: Enter) -> None:
    ours, theirs = await alerts.press(), await alerts.press(council_id="fife")
    our_id, their_id = (await alerts.alarm(ours))["alarm_id"], (await alerts.alarm(theirs))["alarm_id"]
    morag = await enter("hub", "clyde-arc")
    queue = await (await morag.get("/")).text()
    assert ours in queue
    assert theirs not in queue
    assert (await morag.get(f"/alarms/{our_id}")).status == 200
    for path in (f"/alarms/{their_id}", "/alarms/none"):
        assert (await morag.get(path)).status == 404
    assert (await morag.post(f"/alarms/{their_id}/looking")).status == 404
    assert (await morag.post(f"/alarms/{their_id}/acknowledge")).status == 403
    assert theirs in await (await (await enter("ops")).get("/")).text()


async def test_an_engineer_sees_the_alarms_of_some_councils_and_acts_on_none(
    alerts: Installation, enter: Enter
) -> None:
    ours, theirs = await alerts.press(), await alerts.press(council_id="fife")
    alarm_id = (await alerts.alarm(ours))["alarm_id"]
    await alerts.alarm(theirs)
    for role, councils in (("engineer", ["glasgow-city"]), ("viewer", None)):
        looker = await enter(role, councils=councils)
        queue = await (await looker.get("/")).text()
        assert ours in queue
        assert (theirs in queue) == (councils is None)
        for act in ("acknowledge", "release", "close"):
            answer = await looker.post(f"/alarms/{alarm_id}/{act}", outcome="attended")
            assert answer.status == 403, (role, act)
        assert (await looker.post("/silences", council_id="glasgow-city")).status == 403
    assert (await alerts.alarm(ours))["state"] == "open"


async def test_two_who_take_an_alarm_at_the_same_instant_one_has_it_and_the_other_is_told(
    alerts: Installation, enter: Enter
) -> None:
    morag, isla = await enter("hub", "clyde-arc", operator="Morag"), await enter("ops", operator="Isla")
    for _ in range(5):
        alarm_id = (await alerts.alarm(await alerts.press()))["alarm_id"]
        answers = await asyncio.gather(*(each.post(f"/alarms/{alarm_id}/acknowledge") for each in (morag, isla)))
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status) == (200, 409)
        assert (await lost.json())["acknowledged_by"] == (await won.json())["acknowledged_by"]


async def test_a_namesake_at_another_hub_is_not_told_that_she_has_it(alerts: Installation, enter: Enter) -> None:
    alarm_id = (await alerts.alarm(await alerts.press()))["alarm_id"]
    at_the_hub, among_ops = [await enter(*who, operator="Morag") for who in (("hub", "clyde-arc"), ("ops",))]
    assert (await at_the_hub.post(f"/alarms/{alarm_id}/acknowledge")).status == 200
    assert "You have it" in await (await at_the_hub.get("/")).text()
    theirs = await (await among_ops.get("/")).text()
    assert "Morag has it" in theirs
    assert "You have it" not in theirs


async def test_an_alarm_is_closed_only_with_an_outcome_that_there_is(alerts: Installation, enter: Enter) -> None:
    morag = await enter("hub", "clyde-arc")
    device = await alerts.press()
    path = f"/alarms/{(await alerts.alarm(device))['alarm_id']}/close"
    for form in (
        {},
        {"outcome": "forgotten"},
        {"outcome": "attended", "note": "x" * 2001},
        {"outcome": "test", "note": "a\0"},
    ):
        answer = await morag.post(path, **form)
        assert answer.status == 422, form
    assert (await alerts.alarm(device))["state"] == "open"
    assert (await morag.post(path, outcome="attended", note="  ")).status == 200
    assert await alerts.database.fetchval("select note from alerts.alarm") is None


async def test_a_note_is_as_long_as_its_writer_sees_it(alerts: Installation, enter: Enter) -> None:
    morag = await enter("hub", "clyde-arc")
    alarm_id = (await alerts.alarm(await alerts.press()))["alarm_id"]
    lines = "\n".join(["é" * 99] * 20)  # 1,999 characters
    written = lines.replace("\n", "\r\n")  # and as a browser sends them
    assert (await morag.post(f"/alarms/{alarm_id}/close", outcome="attended", note=written)).status == 200
    assert await alerts.database.fetchval("select note from alerts.alarm") == lines


async def test_what_a_device_says_is_shown_and_never_run(alerts: Installation, enter: Enter) -> None:
    markup = "<script>alert(1)</script>"
    device = await alerts.press(markup, location='"><img src=x>', text="<b>help</b>", peripheral_id="<i>p</i>")
    morag = await enter("hub", "clyde-arc", operator="<u>Morag</u>")
    alarm_id = (await alerts.alarm(device))["alarm_id"]
    await morag.post(f"/alarms/{alarm_id}/acknowledge")
    page = await (await morag.get(f"/alarms/{alarm_id}")).text()
    for raw in (markup, "<img", "<b>help", "<i>p", "<u>Morag"):
        assert raw not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;u&gt;Morag" in page


async def test_the_most_urgent_come_first_and_of_those_the_oldest(alerts: Installation, enter: Enter) -> None:
    devices = [
        await alerts.press(kind, device_id=name)
        for kind, name in (
            ("device_silent", "D-5"),
            ("flood", "D-3"),
            ("fall", "D-1"),
            ("bed", "D-4"),
            ("smoke", "D-2"),
        )
    ]
    for device in devices:
        await alerts.alarm(device)
    queue = await (await (await enter("ops")).get("/")).text()
    assert sorted(devices) == sorted(devices, key=lambda device: queue.index(f'<span class="id">{device}</span>'))


async def test_who_looks_is_forgotten_fifteen_seconds_after_the_last_word(alerts: Installation, enter: Enter) -> None:
    morag, isla = await enter("ops", operator="Morag"), await enter("ops", operator="Isla")
    alarm_id = (await alerts.alarm(await alerts.press()))["alarm_id"]
    looking = f"/alarms/{alarm_id}/looking"
    assert await (await morag.post(looking)).json() == {"others": []}
    assert await (await isla.post(looking)).json() == {"others": ["Morag"]}
    age = "update alerts.console_presence set seen_at = seen_at - make_interval(secs => $1) where operator = 'Morag'"
    assert timedelta(seconds=15) == EXPIRES_AFTER
    await alerts.database.execute(age, 5)  # leaves ten to a machine that pauses
    assert await (await isla.post(looking)).json() == {"others": ["Morag"]}
    await alerts.database.execute(age, 11)
    assert await (await isla.post(looking)).json() == {"others": []}
    assert await alerts.database.fetchval("select count(*) from alerts.console_presence") == 1


async def test_the_stream_goes_on_exactly_where_the_page_was_read_and_ends_with_the_session(
    alerts: Installation, enter: Enter
) -> None:
    morag = await enter("ops")
    before = await alerts.press()
    await alerts.alarm(before)
    page = await (await morag.get("/")).text()
    cursor = page.partition('data-cursor="')[2].partition('"')[0]
    meanwhile = await alerts.press()
    await alerts.alarm(meanwhile)
    heard: list[str] = []
    async with morag.http.get(f"{morag.url}/console/stream?after={cursor}", headers=SCRIPT) as stream:
        assert stream.headers["Cache-Control"] == "no-store"

        async def listen() -> None:
            async for line in stream.content:
                heard.append(line.decode())  # noqa: PERF401 - it is looked at meanwhile

        listening = asyncio.create_task(listen())
        await until(lambda: any(meanwhile in line for line in heard))
        assert "event: tick\n" in heard
        assert not any(before in line for line in heard)
        await alerts.database.execute("update chassis.session set ended_at = now()")
        await until(lambda: "event: signed_out\n" in heard, 60)
        await asyncio.wait_for(listening, 60)


def test_there_is_a_plain_word_for_everything_that_we_know() -> None:
    assert ALL_KINDS.keys() == KINDS.keys()
    assert OUTCOMES.keys() == ALL_OUTCOMES
    assert [reason for reason in Reason if not knows_reason(reason)] == []
