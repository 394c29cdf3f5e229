"""The broker's register follows the database: at once, after any crash, and whatever somebody did to it meanwhile."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from services.chassis.mqtt import MqttUrl
from services.chassis.secrets import Vault
from services.registry.broker import reconciler
from services.registry.broker.document import whole_document
from services.registry.broker.room import PURPOSE
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import OPS
from tests.support.servers import until

pytestmark = pytest.mark.real_stack

GLASGOW = "telecare/v1/devices/glasgow-city"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute takes a second here."""
    monkeypatch.setattr(reconciler, "SWEEP_EVERY_S", 0.5)


async def test_withdrawing_a_device_ends_its_session_and_it_comes_no_more(secured: Secured) -> None:
    password = await secured.provisioned("TC-A")
    with secured.outside("TC-A", password) as device:
        await secured.town.withdraw("TC-A")
        assert await asyncio.to_thread(device.ended) == "Administrative action"
    assert not await secured.lets_in("TC-A", password)


async def test_a_replaced_device_keeps_its_session_until_its_successor_is_live(secured: Secured) -> None:
    password = await secured.provisioned("TC-A")
    await secured.town.device("TC-B", stage="commissioning")
    rows = secured.town.rows
    with secured.outside("TC-A", password) as device:
        await rows("update registry.device set generation = 1 where device_id = 'TC-B'")
        await rows(
            "update registry.device set stage = 'withdrawn', replaced_by = 'TC-B', changed_at = now() where device_id = 'TC-A'"
        )
        await secured.told()
        assert device.may_subscribe(f"{GLASGOW}/TC-A/receipt")
        assert await secured.lets_in("TC-A", password)
    with secured.outside("TC-A", password) as device:
        await rows("update registry.device set stage = 'live', live_at = now() where device_id = 'TC-B'")
        assert await asyncio.to_thread(device.ended) == "Administrative action"
    assert not await secured.lets_in("TC-A", password)


async def test_a_device_claimed_again_keeps_its_password_until_it_has_the_new_one(secured: Secured) -> None:
    before = await secured.provisioned("TC-A")
    claim = await secured.claim("TC-A")
    with secured.outside("TC-A", before) as device:
        assert device.let_in
        async with secured.town.unit(claim) as unit:
            answer = await unit.exchange()
            after = answer["password"]
            assert after != before
            assert await asyncio.to_thread(device.ended) == "Administrative action"
            # Asked for once more, it is not set once more: that would end the session that the device has by now.
            with secured.outside("TC-A", after) as again:
                assert await unit.exchange() == answer
                assert again.may_subscribe(f"{GLASGOW}/TC-A/receipt")
    assert not await secured.lets_in("TC-A", before)
    assert await secured.lets_in("TC-A", after)


async def test_a_claim_opens_the_door_for_as_long_as_it_lives(secured: Secured) -> None:
    await secured.town.device("TC-A")
    claim = await secured.claim("TC-A")
    assert await secured.lets_in("claim:SN-TC-A", claim.code)
    secured.town.clock.ahead = timedelta(minutes=61)
    await secured.unknown("claim:SN-TC-A")
    assert not await secured.lets_in("claim:SN-TC-A", claim.code)
    secured.town.clock.ahead = timedelta()
    other = await secured.claim("TC-A")
    assert await secured.lets_in("claim:SN-TC-A", other.code)
    assert not await secured.lets_in("claim:SN-TC-A", claim.code)


MEDDLING: list[dict[str, Any]] = [
    {
        "command": "modifyRole",
        "rolename": "telecare:TC-A",
        "acls": [{"acltype": "subscribePattern", "topic": "#", "allow": True}],
    },
    {"command": "addRoleACL", "rolename": "telecare:TC-A", "acltype": "publishClientSend", "topic": "#", "allow": True},
    {"command": "addClientRole", "username": "TC-A", "rolename": "telecare-service"},
    {"command": "setClientId", "username": "TC-A", "clientid": ""},
    {"command": "disableClient", "username": "TC-A"},
    {"command": "modifyClient", "username": "TC-A", "roles": []},
    {"command": "setDefaultACLAccess", "acls": [{"acltype": "subscribe", "allow": True}]},
    {"command": "createClient", "username": "TC-OLD", "password": "x", "textname": "telecare"},
]


@pytest.mark.parametrize("command", MEDDLING, ids=lambda command: command["command"])
async def test_the_database_wins_over_what_somebody_changed_at_the_broker(
    secured: Secured, command: dict[str, Any]
) -> None:
    password = await secured.provisioned("TC-A")

    async def register() -> tuple[Any, ...]:
        async with secured.control() as control:
            return await control.clients(), await control.roles(), await control.defaults()

    before = await register()
    await secured.meddle(**command)  # fails unless the broker has done it; it may be mended before we can look

    async def as_before() -> bool:
        return await register() == before

    await until(as_before, what="the register to be as it was")
    assert await secured.lets_in("TC-A", password)


async def test_somebody_else_whom_an_operator_let_in_is_left_alone(secured: Secured) -> None:
    await secured.provisioned("TC-A")
    await secured.meddle(command="createClient", username="exporter", password="of the exporter")
    await secured.meddle(command="disableClient", username="TC-A")
    await secured.known("TC-A", disabled=False)
    assert await secured.lets_in("exporter", "of the exporter", "exporter")


async def test_a_withdrawn_device_that_somebody_let_in_again_is_shut_out_again(secured: Secured) -> None:
    await secured.provisioned("TC-A")
    await secured.town.withdraw("TC-A")
    await secured.known("TC-A", disabled=True)
    await secured.meddle(command="enableClient", username="TC-A")
    await secured.known("TC-A", disabled=True)


async def test_a_broker_that_lost_its_register_is_given_it_back_with_everybodys_password(secured: Secured) -> None:
    password, gone = await secured.provisioned("TC-A"), await secured.provisioned("TC-B")
    await secured.town.withdraw("TC-B")
    await secured.town.device("TC-C")
    claim = await secured.claim("TC-C")
    await asyncio.to_thread(secured.broker.stop)
    secured.server.write_register(await export(secured))
    await asyncio.to_thread(secured.broker.start)
    assert await secured.lets_in("TC-A", password)
    assert not await secured.lets_in("TC-B", gone)
    assert await secured.lets_in("claim:SN-TC-C", claim.code)
    async with secured.town.unit(claim) as unit:
        assert (await unit.insist())["result"] == "accepted"


async def test_what_is_exported_is_what_the_broker_knows(secured: Secured) -> None:
    await secured.provisioned("TC-A")
    await secured.town.device("TC-B")
    await secured.claim("TC-B")

    def without_passwords(register: dict[str, Any]) -> Any:
        clients = [
            {name: value for name, value in each.items() if name not in {"password", "salt", "iterations"}}
            for each in register["clients"]
        ]
        roles = [{**each, "acls": sorted(map(str, each["acls"]))} for each in register["roles"]]
        return sorted(map(str, clients)), sorted(map(str, roles))

    exported, on_disk = json.loads(await export(secured)), secured.register_on_disk()
    for each in (*exported["clients"], *on_disk["clients"]):
        for role in each["roles"]:
            role.pop("priority", None)
    for register in (exported, on_disk):
        register["clients"] = [dict(sorted(each.items())) for each in register["clients"]]
        register["roles"] = [
            {"rolename": each["rolename"], "acls": [dict(sorted(acl.items())) for acl in each["acls"]]}
            for each in register["roles"]
        ]
    assert without_passwords(exported) == without_passwords(on_disk)


async def test_a_device_that_the_broker_lost_is_counted_and_comes_back_by_its_claim(secured: Secured) -> None:
    """Its password is nowhere but with the device. While the claim lives, its own request mends it."""
    await secured.town.device("TC-A")
    async with secured.town.unit(await secured.claim("TC-A")) as unit:
        answer = await unit.exchange()
        await secured.meddle(command="deleteClient", username="TC-A")

        async def missing() -> bool:
            rows = await secured.town.rows("select from registry.broker_user where missing_since is not null")
            return len(rows) == 1

        await until(missing, what="the loss to be noticed")
        assert await unit.exchange() == answer
    assert await secured.lets_in("TC-A", answer["password"])


async def test_a_claim_that_the_broker_lost_is_given_to_it_again(secured: Secured) -> None:
    await secured.town.device("TC-A")
    claim = await secured.claim("TC-A")
    await secured.meddle(command="deleteClient", username="claim:SN-TC-A")
    await secured.known("claim:SN-TC-A")
    assert await secured.lets_in("claim:SN-TC-A", claim.code)


async def test_a_change_while_the_broker_is_away_is_made_when_it_is_back(secured: Secured) -> None:
    password = await secured.provisioned("TC-A")
    await asyncio.to_thread(secured.broker.kill)
    await secured.town.withdraw("TC-A")
    await asyncio.to_thread(secured.broker.start)
    await secured.known("TC-A", disabled=True)
    assert not await secured.lets_in("TC-A", password)


async def test_many_devices_are_told_one_after_another_and_each_once(secured: Secured) -> None:
    for number in range(40):
        await secured.town.device(f"TC-{number}")
        await secured.town.claim(f"TC-{number}")
    await secured.told()
    async with secured.control() as control:
        clients = await control.clients()
    assert sum(name.startswith("claim:") for name in clients) == 40


async def export(secured: Secured) -> str:
    """As `telecare broker export` writes it."""
    from services.chassis.postgres.borrow import borrow

    admin, service = (MqttUrl.parse(url_of(who, secured.port)) for who in (ADMIN, SERVICE))
    assert secured.settings.secret_key is not None
    key = Vault(secured.settings.secret_key.get_secret_value()).key(PURPOSE)
    async with borrow(secured.town.pool) as connection:
        return await whole_document(connection, admin, service, key, secured.town.clock.now())


async def test_a_database_that_knows_none_of_the_brokers_users_removes_none_of_them(secured: Secured) -> None:
    """A wrong address, an old backup: nobody could give those devices their passwords back."""
    await secured.provisioned("TC-A")
    others = [
        {"command": "createClient", "username": f"TC-OTHER-{n}", "password": "x", "textname": "telecare"}
        for n in range(21)
    ]
    async with secured.control() as control:
        # In one message: a look at everything that met fewer of them, not too many yet to be a mistake of ours, removed those.
        answers = await control.ask(others)
    assert not any("error" in each for each in answers), answers
    await secured.meddle(command="disableClient", username="TC-A")
    await secured.known("TC-A", disabled=False)  # the next look at everything has been
    assert await secured.client("TC-OTHER-0") is not None
    await secured.provisioned("TC-B")  # what is told in between does not make us forget to say so
    assert "is not kept: 21 of its" in await secured.front_page()
    await secured.meddle(command="deleteClient", username="TC-OTHER-0")
    await secured.unknown("TC-OTHER-20")  # as many as may be withdrawn in a minute


async def test_another_serial_shuts_out_the_unit_that_had_the_earlier_one(secured: Secured) -> None:
    """Before go-live: the box on the shelf was another than was written down, or another one is taken instead."""
    password = await secured.provisioned("TC-1")
    with secured.outside("TC-1", password) as earlier:
        await _patch(secured, {"notes": "on the top shelf"})
        await secured.told()
        assert earlier.is_connected, "any other change shuts nobody out"
        await _patch(secured, {"serial": "SN-NEW"})
        await asyncio.to_thread(earlier.ended)
    await secured.told()
    assert not await secured.lets_in("TC-1", password)
    async with secured.town.unit(await secured.claim("TC-1"), "SN-NEW") as unit:
        answer = await unit.exchange()
    assert answer["result"] == "accepted", answer
    assert await secured.lets_in("TC-1", answer["password"])
    assert not await secured.lets_in("TC-1", password)


async def _patch(secured: Secured, changes: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {OPS}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.patch(f"{secured.url}/api/v1/devices/TC-1", json=changes) as answer,
    ):
        assert answer.status == 200, await answer.text()
