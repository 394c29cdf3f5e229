"""An alarm's whole way, as people can look it up: at a terminal, and in the logs under one name after the other."""

import json
import re
from typing import Any

from tests.blackbox import program
from tests.blackbox.api import Api
from tests.blackbox.box import PRIVATE
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import HUB, Installation, MakeBox
from tests.support.servers import until


async def taken_alarm(installation: Installation, box: MakeBox, receiver: Receiver) -> dict[str, Any]:
    """A press that the hub was told of, and that somebody has closed."""
    home = await box()
    home.press("fall", text=PRIVATE)
    await receiver.told(home.device_id)
    alarm = await installation.alarm(home.device_id)
    for verb, more in (("acknowledge", {}), ("close", {"outcome": "attended"})):
        body = {"operator": "morag", **more}
        assert (await installation.alarms_api.post(f"/api/v1/alarms/{alarm['alarm_id']}/{verb}", body)).status == 200

    async def told() -> bool:
        story = await installation.alarms_api.get(f"/api/v1/alarms/{alarm['alarm_id']}/story")
        return [each["type"] for each in story.body["deliveries"] if each["state"] == "delivered"] == [
            "alarm.raised",
            "alarm.acknowledged",
            "alarm.closed",
        ]

    await until(told, what="the hub to have heard the end of it")
    return await installation.alarm(home.device_id, state="closed")


async def test_at_a_terminal_an_alarm_tells_its_story_from_the_press_to_its_end(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    alarm = await taken_alarm(installation, box, receiver)
    settings = {"API_URL": str(installation.alarms_api.url), "API_TOKEN": installation.settings["BOOTSTRAP_TOKEN"]}
    shown = await program.run("alarm", "show", alarm["alarm_id"], settings=settings)
    assert shown.code == 0, shown.output
    steps = (
        rf"alarm {alarm['alarm_id']}: fall, priority 1, closed",
        rf"device {alarm['device_id']} \(glasgow-city\)",
        r"\+0 ms  stored: fall .* event [0-9a-f-]{36}",
        r"\+[\d,]+ m?s  raised ",  # on a busy machine after 1,234 ms, or 12 s
        rf"m?s  delivered: alarm\.raised to {HUB} by webhook; notification ",
        r"acknowledged by morag ",
        r"closed by morag ",
    )
    assert re.search(".*".join(steps), shown.output, re.DOTALL), shown.output
    assert PRIVATE not in shown.output

    listed = await program.run("alarm", "list", "--device", alarm["device_id"], settings=settings)
    assert alarm["alarm_id"] in listed.output
    unknown = await program.run("alarm", "show", "not/one", settings=settings)
    assert (unknown.code, unknown.output.count("\n")) == (1, 1), unknown.output


async def test_a_hub_is_not_told_what_anothers_server_answered(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    receiver.plan(home.device_id, 410)
    home.press("fall")
    alarm = await installation.alarm(home.device_id)
    path = f"/api/v1/alarms/{alarm['alarm_id']}/story"

    async def errors(api: Api) -> set[str | None]:
        story = await api.get(path)
        assert story.status == 200
        return {each["last_error"] for each in story.body["deliveries"] if each["state"] == "failed"}

    async def refused() -> bool:
        return await errors(installation.alarms_api) == {"HTTP 410"}

    await until(refused, what="ops to be told what the hub answered")
    assert await errors(installation.alarms_api.by(await installation.token("hub", "--hub", HUB))) == {None}
    assert (await installation.alarms_api.by(None).get(path)).status == 401


async def test_the_logs_tell_of_an_alarm_from_the_broker_to_the_hub_under_one_name_after_the_other(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    alarm = await taken_alarm(installation, box, receiver)
    lines: list[dict[str, Any]] = [
        json.loads(line)
        for each in installation.programs.values()
        for line in each.log().rpartition("\n")[0].splitlines()
    ]

    def said(event: str, **names: str) -> dict[str, Any]:
        (line,) = [line for line in lines if line["event"] == event and names.items() <= line.items()]
        return dict(line)

    stored = said("alarm_event_stored", device_id=alarm["device_id"])
    raised = said("alarm_raised", event_id=stored["event_id"])
    assert raised["alarm_id"] == alarm["alarm_id"]
    delivered = said("alarm_delivered", alarm_id=raised["alarm_id"], type="alarm.raised")
    assert (delivered["hub_id"], delivered["channel"]) == (HUB, "webhook")
    assert said("alarm_acknowledged", alarm_id=raised["alarm_id"])["operator"] == "morag"
    assert PRIVATE not in json.dumps(lines)
