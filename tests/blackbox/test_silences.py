"""Silences as a stranger uses them: what can wait is listed and not told, what cannot wait is told at once."""

from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import COUNCIL, HUB, Installation, MakeBox
from tests.support.servers import until

PATH = "/api/v1/silences"


def asked(device: str, **fields: object) -> dict[str, object]:
    return {
        "council_id": COUNCIL,
        "device_id": device,
        "priorities": [3, 4, 5],
        "minutes": 60,
        "reason": "engineer on site",
        "operator": "morag",
        **fields,
    }


async def test_a_tamper_of_a_silenced_box_is_listed_a_fall_of_it_is_told_and_at_the_end_the_tamper_is_too(
    installation: Installation, api: Api, receiver: Receiver, box: MakeBox
) -> None:
    home = await box()
    silence = await api.post(PATH, asked(home.device_id))
    assert (silence.status, silence.body["active"]) == (201, True)

    await home.receipt(home.press("tamper"))
    held = await installation.alarm(home.device_id, kind="tamper", state="open", priority=4)
    home.press("fall")
    assert (await receiver.told(home.device_id)).data["kind"] == "fall"
    assert [each.data["kind"] for each in receiver.attempts(home.device_id)] == ["fall"]
    assert (await installation.alarm(home.device_id, kind="tamper"))["notified_at"] is None

    ended = await api.post(f"{PATH}/{silence.body['silence_id']}/end", {"operator": "hamish"})
    assert (ended.status, ended.body["active"], ended.body["ended_by"]) == (200, False, "hamish")

    def told() -> list[str]:
        return [each.data["alarm_id"] for each in receiver.accepted(home.device_id) if each.data["kind"] == "tamper"]

    assert await until(told, what="the tamper to be told") == [held["alarm_id"]]
    await installation.alarm(home.device_id, kind="tamper", state="open", priority=4)


async def test_a_hub_silences_its_own_councils_only_and_never_life_or_welfare(
    installation: Installation, api: Api, box: MakeBox
) -> None:
    home = await box()
    hub = api.by(await installation.token("hub", "--hub", HUB))
    for priority in (1, 2):
        refused = await hub.post(PATH, asked(home.device_id, priorities=[priority]))
        assert (refused.status, refused.content_type) == (422, PROBLEM)
        assert "1 (life) and 2 (welfare) are always told" in refused.body["detail"]
    assert (await hub.post(PATH, asked(home.device_id, council_id="fife", device_id=None))).status == 403
    made = await hub.post(PATH, asked(home.device_id, minutes=1))
    assert (made.status, made.body["hub_id"]) == (201, HUB)
    listed = (await hub.get(PATH, active="true")).body["items"]
    assert made.body["silence_id"] in {each["silence_id"] for each in listed}
    assert (await hub.post(f"{PATH}/{made.body['silence_id']}/end", {"operator": "morag"})).status == 200
    again = await hub.post(f"{PATH}/{made.body['silence_id']}/end", {"operator": "morag"})
    assert (again.status, again.content_type) == (409, PROBLEM)


async def test_the_health_of_a_hubs_channels_is_its_own_and_opss(installation: Installation, api: Api) -> None:
    hub = api.by(await installation.token("hub", "--hub", HUB))
    for asker in (api, hub):
        answer = await asker.get(f"/api/v1/hubs/{HUB}/channels/health")
        assert answer.status == 200
        (channel,) = answer.body["items"]
        assert (channel["kind"], channel["failing"], channel["failures"]) == ("webhook", False, 0)
    assert (await hub.get("/api/v1/hubs/somebody-else/channels/health")).status == 403
    assert (await api.get("/api/v1/hubs/no-such-hub/channels/health")).status == 404
