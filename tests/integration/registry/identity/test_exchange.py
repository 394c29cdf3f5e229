"""A unit exchanges its claim for a credential of its own, over the provisioning topics."""

import hashlib
from datetime import timedelta

import aiohttp
import pytest

from services.registry.identity.claims import NotIssued
from tests.integration.registry.identity.town import Town
from tests.support.servers import until


async def test_a_unit_is_given_its_credential_and_has_then_shown_which_it_is(town: Town) -> None:
    await town.device()
    async with town.unit(await town.claim()) as unit:
        answer = await unit.exchange()
    assert answer["result"] == "accepted"
    assert (answer["device_id"], answer["username"], answer["council_id"]) == ("TC-1", "TC-1", "glasgow-city")
    assert len(answer["password"]) == 43
    assert answer["nonce_sha256"] == hashlib.sha256(unit.nonce.encode()).hexdigest()
    assert (await town.rows("select stage from registry.device"))[0]["stage"] == "claimed"
    assert await town.history() == ["claim_issued", "claimed", "credential_issued"]


async def test_the_same_request_is_answered_alike_however_often_it_comes(town: Town) -> None:
    await town.device()
    async with town.unit(await town.claim()) as unit:
        first = await unit.exchange()
        for _ in range(3):
            assert await unit.exchange() == first
        assert await unit.exchange(claim=unit.claim.code.lower().replace("-", " ")) == first
    assert (await town.history()).count("credential_issued") == 1


async def test_a_claim_is_one_units_another_nonce_is_refused_and_the_history_says_so_once(town: Town) -> None:
    await town.device()
    claim = await town.claim()
    async with town.unit(claim) as unit:
        mine = await unit.exchange()
        for _ in range(3):
            refused = await unit.exchange(nonce="somebody-elses-nonce-of-128-bits")
            assert (refused["result"], refused["reason"], "password" in refused) == ("refused", "used", False)
        assert await unit.exchange() == mine
    assert (await town.history()).count("claim_refused") == 1


async def test_a_claim_lives_an_hour_also_for_the_unit_that_used_it(town: Town) -> None:
    await town.device("TC-1")
    await town.device("TC-2")
    used, unused = await town.claim("TC-1"), await town.claim("TC-2")
    async with town.unit(used) as unit:
        await unit.exchange()
        town.clock.ahead = timedelta(minutes=61)
        assert (await unit.exchange())["reason"] == "expired"
    async with town.unit(unused) as unit:
        assert (await unit.exchange())["reason"] == "expired"


async def test_a_claim_is_for_one_serial_only(town: Town) -> None:
    await town.device("TC-1")
    await town.device("TC-2")
    claim = await town.claim("TC-1")
    await town.claim("TC-2")
    async with town.unit(claim, serial="SN-TC-2") as unit:
        assert (await unit.exchange())["reason"] == "unknown_claim"
    async with town.unit(claim) as unit:
        assert (await unit.exchange())["result"] == "accepted"


async def test_a_claim_for_a_serial_that_was_corrected_is_void(town: Town) -> None:
    await town.device()
    claim = await town.claim()
    await town.rows("update registry.device set serial = 'SN-OTHER' where device_id = 'TC-1'")
    async with town.unit(claim) as unit:
        assert (await unit.exchange())["reason"] == "unknown_claim"


async def test_a_new_claim_makes_the_one_before_void_and_its_exchange_another_password(town: Town) -> None:
    await town.device()
    first = await town.claim()
    async with town.unit(first) as unit:
        before = await unit.exchange()
        second = await town.claim()
        assert (await unit.exchange())["reason"] == "unknown_claim"
    assert second.code != first.code
    async with town.unit(second) as unit:
        after = await unit.exchange()
    assert after["password"] != before["password"]


async def test_a_withdrawn_device_is_given_nothing(town: Town) -> None:
    await town.device()
    claim = await town.claim()
    await town.withdraw("TC-1")
    async with town.unit(claim) as unit:
        assert (await unit.exchange())["reason"] == "withdrawn"
    refused = await town.claims.issue("TC-1", actor="isla", now=town.clock.now())
    assert isinstance(refused, NotIssued)
    assert refused.reason == "withdrawn"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"nonce": "short"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"claim": "1" * 26}, "claim"),
        ({"claim": 7}, "claim"),
    ],
)
async def test_a_request_that_cannot_be_read_is_told_what_is_wrong_and_never_what_it_said(
    town: Town, other: dict[str, object], named: str
) -> None:
    await town.device()
    async with town.unit(await town.claim()) as unit:
        answer = await unit.exchange(**other)
        assert (answer["result"], answer["reason"], answer["nonce_sha256"]) == ("refused", "invalid", None)
        assert named in answer["detail"]
        assert str(other[named]) not in answer["detail"].replace("22 characters", "")


async def test_nothing_that_is_stored_or_logged_lets_anybody_in(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    await town.device()
    claim = await town.claim()
    async with town.unit(claim) as unit:
        answer = await unit.exchange()
        await unit.exchange(nonce="somebody-elses-nonce-of-128-bits")
    secret = (answer["password"], claim.code, claim.code.replace("-", ""), unit.nonce)
    stored = ""
    for table in ("claim", "broker_user", "device_change", "device"):
        for row in await town.rows(f"select t::text as text from registry.{table} t"):
            stored += row["text"]
    logged = capfd.readouterr()
    for each in secret:
        assert each not in stored
        assert each not in logged.out + logged.err
    assert "credential_issued" in logged.out + logged.err


async def test_a_request_that_came_while_the_registry_was_away_is_answered_when_it_is_back(town: Town) -> None:
    """Its session at the broker keeps what comes."""
    await town.device()

    async def answered() -> bool:
        rows = await town.rows("select nonce_sha256 from registry.claim")
        return rows[0]["nonce_sha256"] is not None

    async with town.unit(await town.claim()) as unit:
        await town.rows("update chassis.shard set generation = generation + 1 where shard = 'provisioning'")
        await unit.ask()
        await until(answered, what="the exchange, after the lease was lost")


async def test_the_front_page_says_that_identity_is_not_enforced(town: Town) -> None:

    assert town.process is not None
    async with aiohttp.ClientSession() as http, http.get(f"{town.process.url}/") as response:
        assert "identity is not enforced" in await response.text()
