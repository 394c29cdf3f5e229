import pytest

from contracts.ids import HubId
from services.simulator.population import Population
from services.simulator.seed import HubChannel, Seeder, SeedFailed
from tests.integration.simulator.test_simulated_hub import Api

HUB = HubChannel(
    hub_id=HubId("demo-arc"),
    name="Demo ARC",
    webhook_url="http://127.0.0.1:9/telecare",
    secret="whsec_c2VjcmV0LW9mLXRoZS1kZW1v",
)


async def test_a_hub_is_routed_to_before_any_box_of_its_councils_goes_live() -> None:
    devices = Population(20)
    async with Api() as api, Seeder(api.url, "ops-token") as seeder:
        await seeder.seed(HUB, devices)
    paths = [(method, path) for method, path, _, _ in api.asked]
    assert paths[0] == ("PUT", "/api/v1/hubs/demo-arc")
    routed = [path for method, path in paths[1:] if method == "PUT"]
    assert routed == paths_of_councils(devices)
    assert len(paths) == 1 + len(routed) + 2 * len(devices)
    for device in devices:
        live = ("POST", f"/api/v1/devices/{device.device_id}/go-live")
        assert paths.index(live) > len(routed)
    assert {token for *_, token in api.asked} == {"Bearer ops-token"}


def paths_of_councils(devices: Population) -> list[str]:
    councils = dict.fromkeys(device.council_id for device in devices)
    return [f"/api/v1/councils/{council}/routing" for council in councils]


async def test_what_is_asked_is_what_the_contract_names() -> None:
    (device,) = Population(1)
    async with Api() as api, Seeder(api.url, "t") as seeder:
        await seeder.seed(HUB, [device])
    hub, routing, register, live = [body for _, _, body, _ in api.asked]
    assert hub == {
        "name": "Demo ARC",
        "channels": [{"kind": "webhook", "url": HUB.webhook_url, "secret": HUB.secret, "verified": True}],
    }
    assert routing == {"hubs": ["demo-arc"]}
    assert register == {
        "device_id": device.device_id,
        "council_id": device.council_id,
        "serial": device.serial,
        "model": device.model,
        "postcode_district": device.postcode_district,
        "sim_operator": device.sim_operator,
        "installation_ref": device.installation_ref,
    }
    assert live["reason"]


async def test_a_refusal_says_what_was_asked_and_what_was_answered() -> None:
    async with Api() as api, Seeder(api.url, "t") as seeder:
        api.statuses = [200, 200, 403]
        with pytest.raises(SeedFailed, match=r"POST /api/v1/devices was answered 403: .*as told"):
            await seeder.seed(HUB, Population(1))


async def test_a_server_that_is_away_is_said_so() -> None:
    async with Api() as api:
        pass
    async with Seeder(api.url, "t") as seeder:
        with pytest.raises(SeedFailed, match="could not be asked"):
            await seeder.make_hub(HUB)
