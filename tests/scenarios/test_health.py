"""A box on its battery: told with when it will be silent, and over when the mains are back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.scenarios.hours import Rounds
from tests.scenarios.people import AT_LEISURE_S
from tests.scenarios.story import Home, Story
from tests.support.servers import until

_LOOKS = ("liveness", "conditions", "outage-detector")
_MINUTES_MAX = 15
LIVE = "update registry.device set stage = 'live', live_at = $2, changed_at = $2 where device_id = $1"


async def beats(story: Story, looks: Rounds, box: Home, **readings: Any) -> None:
    """A minute passes, with a heartbeat at its end; and whoever looks at devices has looked, one after the other."""
    story.moves(60)
    box.beat(sent_at=story.clock.now().isoformat(), **readings)
    heard = "select last_heard_at = $2 from ingest.liveness where device_id = $1"
    await until(
        lambda: story.database.fetchval(heard, box.device_id, story.clock.now()),
        AT_LEISURE_S,
        what=f"{box.device_id} to be heard",
    )
    for name in _LOOKS:
        await looks.whole(name)
    await story.settles()


async def beats_until(story: Story, looks: Rounds, box: Home, query: str, **readings: Any) -> None:
    """Minute by minute."""
    for _ in range(_MINUTES_MAX):
        await beats(story, looks, box, **readings)
        if await story.database.fetchval(query, box.device_id):
            return
    raise AssertionError(query)


async def test_a_box_on_its_battery_is_told_of_with_when_it_will_be_silent_and_its_end_pages_nobody(
    story: Story,
) -> None:
    # What the story's clock says must have been, for who listens: and so must be when they were first heard.
    heard = "select bool_and(heard_until is not null) from chassis.shard where service = 'ingest'"
    await until(lambda: story.database.fetchval(heard), AT_LEISURE_S, what="every shard to hear")
    await story.database.execute("delete from chassis.hearing_lapse")
    story.moves(-timedelta(days=4).total_seconds())
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    await story.database.execute("update registry.device_model set battery_hours = 30 where model = 'default'")
    box = await story.box("TC-000001")
    await story.database.execute(LIVE, box.device_id, story.clock.now())
    watched = "select watched_since is not null from ingest.liveness where device_id = $1"
    await until(lambda: story.database.fetchval(watched, box.device_id), AT_LEISURE_S, what="ingest to watch it")

    looks = Rounds(loop for service in story.process.services for loop in service.loops)
    await beats(story, looks, box, mains=True, battery_pct=100)
    await beats(story, looks, box, mains=False, battery_pct=99)
    gone_at = story.clock.now()
    affected = "select true from alerts.affected where device_id = $1 and condition = 'mains_lost'"
    await beats_until(story, looks, box, affected, mains=False, battery_pct=97)
    assert story.clock.now() - gone_at >= timedelta(minutes=5)
    raised = "select true from alerts.alarm where device_id = $1"
    await beats_until(story, looks, box, raised, mains=False, battery_pct=97)
    alarm = await story.alarm(box)
    assert (alarm["kind"], alarm["priority"], alarm["state"]) == ("power_supply", 4, "open")
    told = await clyde.hears(of=box)
    assert told.data["event"]["text"].startswith("No mains since")
    assert "its battery is expected to last until" in told.data["event"]["text"]

    closed = "select true from alerts.alarm where device_id = $1 and state = 'closed'"
    await beats_until(story, looks, box, closed, mains=True, battery_pct=98)
    assert (await story.alarm(box))["history"][-1]["reason"] == "fault_restored"
    await story.minutes_pass(2 * 24 * 60)
    assert [each.type for each in clyde.heard(of=box)] == ["alarm.raised", "alarm.restored"]
    assert forth.heard(of=box) == []
