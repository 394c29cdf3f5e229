"""A channel counts once verified: by a code that comes over that very channel, and is entered."""

from tests.blackbox import program
from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.conftest import MQTT_HUB
from tests.blackbox.hub import MqttHub, Receiver
from tests.blackbox.installation import Installation
from tests.support.servers import until


async def unverified(installation: Installation, receiver: Receiver, hub_id: str) -> str:
    """The path of the webhook of a new hub."""
    await installation.make_hub(hub_id, channels=[receiver.channel(hub_id, verified=False)])
    (channel,) = (await installation.api.get(f"/api/v1/hubs/{hub_id}")).body["channels"]
    assert channel["verified"] is False
    return f"/api/v1/hubs/{hub_id}/channels/{channel['channel_id']}"


async def code_at(receiver: Receiver, hub_id: str) -> str:
    """The code that came by webhook, signed as everything is."""
    probe = (await until(lambda: receiver.probes(hub_id), what=f"a code at {hub_id}"))[-1]
    assert probe.data["hub_id"] == hub_id
    code: str = probe.data["verification_code"]
    return code


async def test_a_webhook_is_verified_by_the_code_that_comes_over_it(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    path = await unverified(installation, receiver, "arran-arc")
    hub = api.by(await installation.token("hub", "--hub", "arran-arc"))
    sent = await hub.post(f"{path}/verification")
    assert sent.status == 202
    code = await code_at(receiver, "arran-arc")
    assert code not in str(sent.body)

    wrong = await hub.post(f"{path}/verify", {"code": f"{(int(code) + 1) % 1_000_000:06}"})
    assert (wrong.status, wrong.content_type) == (422, PROBLEM)
    assert "4 more" in wrong.body["detail"]
    right = await hub.post(f"{path}/verify", {"code": code})
    assert (right.status, right.body["verified"]) == (200, True)
    (channel,) = (await hub.get("/api/v1/hubs/arran-arc")).body["channels"]
    assert channel["verified"] is True


async def test_a_code_is_not_sent_again_within_a_minute_nor_to_what_is_verified(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    path = await unverified(installation, receiver, "bute-arc")
    early = await api.post(f"{path}/verify", {"code": "123456"})
    assert (early.status, early.content_type) == (409, PROBLEM)
    assert (await api.post(f"{path}/verification")).status == 202
    again = await api.post(f"{path}/verification")
    assert (again.status, again.content_type) == (429, PROBLEM)
    assert 0 < int(again.headers["Retry-After"]) <= 60
    code = await code_at(receiver, "bute-arc")
    assert (await api.post(f"{path}/verify", {"code": code})).status == 200
    assert (await api.post(f"{path}/verification")).status == 409


async def test_a_hub_verifies_no_channel_of_another(installation: Installation, api: Api, receiver: Receiver) -> None:
    path = await unverified(installation, receiver, "cumbrae-arc")
    other = api.by(await installation.token("hub", "--hub", "clyde-arc"))
    for answer in (await other.post(f"{path}/verification"), await other.post(f"{path}/verify", {"code": "123456"})):
        assert (answer.status, answer.content_type) == (403, PROBLEM)
    assert receiver.probes("cumbrae-arc") == []


async def test_a_webhook_that_moves_has_to_be_verified_again(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    await installation.make_hub("gigha-arc")
    (channel,) = (await api.get("/api/v1/hubs/gigha-arc")).body["channels"]
    moved = {"kind": "webhook", "channel_id": channel["channel_id"], "url": f"{channel['url']}-new"}
    put = await api.put("/api/v1/hubs/gigha-arc", {"name": "Gigha", "channels": [moved]})
    (after,) = put.body["channels"]
    assert (after["channel_id"], after["url"], after["verified"]) == (channel["channel_id"], moved["url"], False)


async def test_a_hub_on_mqtt_hears_the_code_among_its_notifications(
    installation: Installation, api: Api, mqtt_hub: MqttHub
) -> None:
    hub = (await api.get(f"/api/v1/hubs/{MQTT_HUB}")).body
    await api.put(f"/api/v1/hubs/{MQTT_HUB}", {**hub, "channels": [{"kind": "mqtt", "verified": False}]})
    settings = {**installation.settings, "API_URL": installation.api.url}
    sent = await program.run("hub", "verify", MQTT_HUB, settings=settings)
    assert sent.code == 0, sent.output
    command = sent.output.splitlines()[-1].removeprefix("then: telecare ").removesuffix(" CODE").split()
    codes = await until(lambda: [each for each in mqtt_hub.probes() if each["data"]["verification_code"]])
    done = await program.run(*command, codes[-1]["data"]["verification_code"], settings=settings)
    assert (done.code, "is verified" in done.output) == (0, True), done.output
    shown = await program.run("hub", "show", MQTT_HUB, settings=settings)
    assert shown.output.splitlines()[1].split()[1:] == ["mqtt", "yes"]
    none_left = await program.run("hub", "verify", MQTT_HUB, settings=settings)
    assert (none_left.code, "no channel that is not verified" in none_left.output) == (2, True), none_left.output


async def test_a_secret_is_replaced_with_a_day_in_which_the_one_before_still_signs(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    await installation.make_hub("eigg-arc")
    channel = receiver.channel("eigg-arc")
    fresh = {**channel, "secret": "whsec_bmV3IHNlY3JldCBvZiB0aGUgaHViIG9mIGVpZ2c="}
    (rotated,) = (await api.put("/api/v1/hubs/eigg-arc", {"name": "Eigg", "channels": [fresh]})).body["channels"]
    assert rotated["previous_secret_until"] is not None
    assert rotated["verified"] is True
    assert not any(each["secret"].removeprefix("whsec_") in str(rotated) for each in (channel, fresh))

    settings = {**installation.settings, "API_URL": installation.api.url}
    back = await program.run("hub", "secret", "eigg-arc", settings=settings, stdin=f"{channel['secret']}\n")
    assert (back.code, "the one before until" in back.output) == (0, True), back.output
    (after,) = (await api.get("/api/v1/hubs/eigg-arc")).body["channels"]
    assert {**after, "previous_secret_until": None} == {**rotated, "previous_secret_until": None}


async def test_whoever_only_looks_on_sees_where_a_webhook_leads_but_not_its_path(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    await installation.make_hub("rum-arc")
    viewer = api.by(await installation.token("viewer"))
    (seen,) = (await viewer.get("/api/v1/hubs/rum-arc")).body["channels"]
    assert seen["url"] == f"http://127.0.0.1:{receiver.port}"


async def test_a_hub_may_be_told_by_email_and_text_and_says_where_its_records_are(api: Api) -> None:
    template = "https://arc.example/homes/{installation_ref}"
    channels = [{"kind": "email", "address": "desk@arc.example"}, {"kind": "sms", "address": "07700 900463"}]
    body = {"name": "Muck", "record_url_template": template, "channels": channels}
    put = await api.put("/api/v1/hubs/muck-arc", body)
    assert (put.status, put.body["record_url_template"]) == (201, template)
    assert [each["address"] for each in put.body["channels"]] == ["d…@arc.example", "+44…463"]
    for wrong, field in (
        ({"record_url_template": "https://arc.example/homes"}, "record_url_template"),
        ({"channels": [{"kind": "email"}]}, "channels.0.address"),
        ({"channels": [{"kind": "sms", "address": "112"}]}, "channels.0.address"),
    ):
        answer = await api.put("/api/v1/hubs/muck-arc", body | wrong)
        assert (answer.status, [each["field"] for each in answer.body["errors"]]) == (422, [field])
