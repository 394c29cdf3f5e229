"""A device's life over HTTP: ordered, suspended until, live on somebody's word, replaced by another."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from services.chassis.postgres import Connection
from services.chassis.postgres.borrow import borrow
from services.chassis.postgres.pool import open_pool
from services.registry.broker.store import wanted
from services.registry.devices.life import DeviceLife
from services.registry.devices.sign_off import Checklist
from services.registry.domain.own_names import OwnNames
from tests.blackbox.api import Answer
from tests.integration.registry.running import GLASGOW, Registry, fields, refused

DEVICES = "/api/v1/devices"


async def history(registry: Registry, device_id: str) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = (await registry.ops.get(f"{DEVICES}/{device_id}")).body["history"]
    return lines


async def through(registry: Registry, device_id: str, *moves: str) -> Answer:
    for move in moves:
        word = {"override": True, "reason": "tried by hand"} if move == "go-live" else None
        answer = await registry.ops.post(f"{DEVICES}/{device_id}/{move}", word)
        assert answer.status == 200, answer
    return answer


async def test_a_device_is_ordered_first_and_registered_when_it_has_come(registry: Registry) -> None:
    ordered = await registry.ops.post(DEVICES, GLASGOW | {"stage": "ordered"})
    assert (ordered.status, ordered.body["stage"]) == (201, "ordered")
    again = await registry.ops.post(DEVICES, GLASGOW | {"stage": "ordered"})
    assert (again.status, again.body) == (200, ordered.body)
    registry.clock.advance(60)
    come = await registry.ops.post(DEVICES, GLASGOW)
    assert (come.status, come.body["stage"]) == (200, "registered")
    late = await registry.ops.post(DEVICES, GLASGOW | {"stage": "ordered"})
    assert late.body["stage"] == "registered", "an order that is told again takes nothing back"
    assert [line["change"] for line in await history(registry, "TC-000123")] == ["registered", "ordered"]


async def test_an_ordered_device_is_registered_by_its_own_move_too(registry: Registry) -> None:
    await registry.ops.post(DEVICES, GLASGOW | {"stage": "ordered"})
    problem = refused(await registry.ops.post(f"{DEVICES}/TC-000123/install"), 409)
    assert problem["legal_moves"] == ["register", "claim", "replace", "withdraw"]
    assert (await through(registry, "TC-000123", "register")).body["stage"] == "registered"


async def test_a_device_is_registered_again_though_more_is_known_of_it_now(registry: Registry) -> None:
    await registry.ops.post(DEVICES, GLASGOW)
    await registry.ops.patch(f"{DEVICES}/TC-000123", {"notes": "green case", "iccid": "8944110068256270054"})
    again = await registry.ops.post(DEVICES, GLASGOW)
    assert (again.status, again.body["notes"]) == (200, "green case")
    assert fields(refused(await registry.ops.post(DEVICES, GLASGOW | {"notes": None}), 409)) == {"notes"}


async def test_every_attribute_is_kept_and_what_looks_like_a_persons_data_is_refused(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    kept = {
        "iccid": "8944110068256270054",
        "replaces_analogue": "GCC-00451",
        "notes": "left of the door,\nmains behind the sofa",
        "sole_trigger": "pendant-1",
    }
    made = await registry.ops.post(DEVICES, GLASGOW | kept | {"iccid": "8944 1100 6825 6270 054"})
    assert kept.items() <= made.body.items()
    wrong = [
        ("notes", "ring 0141 339 1234", "a telephone number"),
        ("notes", "Mrs M., G12 8QQ", "a full postcode"),
        ("notes", "x" * 1001, ""),
        ("replaces_analogue", "01413391234", "a telephone number"),
        ("installation_ref", "iain@example.org", "an e-mail address"),
        ("iccid", "0141", "not the number of a SIM"),
        ("iccid", "8,94411E+18", "format the column as text"),
    ]
    for field, value, told in wrong:
        with subtests.test(field=field, value=value):
            problem = refused(await registry.ops.patch(f"{DEVICES}/TC-000123", {field: value}), 422)
            assert fields(problem) == {field}
            assert told in problem["errors"][0]["message"]
    refusal = refused(await registry.ops.post(f"{DEVICES}/TC-000123/withdraw", {"reason": "call 07700 900123"}), 422)
    assert fields(refusal) == {"reason"}
    assert "900123" not in str(refusal)


async def test_a_sim_is_in_one_device_and_free_again_when_that_is_withdrawn(registry: Registry) -> None:
    await registry.register("TC-1")
    await registry.register("TC-2")
    sim = {"iccid": "8944110068256270054"}
    await registry.ops.patch(f"{DEVICES}/TC-1", sim)
    assert fields(refused(await registry.ops.patch(f"{DEVICES}/TC-2", sim), 409)) == {"iccid"}
    third = GLASGOW | {"device_id": "TC-3", "serial": "SN-3"} | sim
    assert fields(refused(await registry.ops.post(DEVICES, third), 409)) == {"iccid"}
    await through(registry, "TC-1", "withdraw")
    assert (await registry.ops.patch(f"{DEVICES}/TC-2", sim)).status == 200


async def test_a_suspension_says_until_when_and_nothing_ends_by_itself(registry: Registry) -> None:
    await registry.register("TC-1")
    await through(registry, "TC-1", "claim", "install", "commission", "go-live")
    until = {"until": "2026-12-24T12:00:00Z", "reason": "in hospital"}
    suspended = await registry.ops.post(f"{DEVICES}/TC-1/suspend", until)
    assert (suspended.body["stage"], suspended.body["suspended_until"]) == ("suspended", "2026-12-24T12:00:00Z")
    longer = await registry.ops.post(f"{DEVICES}/TC-1/suspend", {"until": "2027-01-07T12:00:00+00:00"})
    assert longer.body["suspended_until"] == "2027-01-07T12:00:00Z"
    again = await registry.ops.post(f"{DEVICES}/TC-1/suspend")
    assert again.body == longer.body
    assert (await through(registry, "TC-1", "resume")).body["suspended_until"] is None


@dataclass(frozen=True)
class Tried:
    """A checklist as commissioning answers it."""

    missing: Sequence[str]

    @property
    def complete(self) -> bool:
        return not self.missing


async def test_a_device_goes_live_when_it_was_proved_or_on_a_word_that_is_listed(registry: Registry) -> None:
    lacking = ["mains_restored", "test_alarm"]

    async def checklist(_connection: Connection, _device_id: str, _now: datetime) -> Checklist:
        return Tried(lacking)

    pool = await open_pool(registry.database.url, role="telecare_registry", name="test")
    try:
        life, now = DeviceLife(pool, checklist, OwnNames()), registry.clock.now()
        await registry.register("TC-1")
        await through(registry, "TC-1", "claim", "install", "commission")
        engineer = registry.principal("engineer", "Ewan")
        refusal = await life.go_live("TC-1", engineer, override=False, reason=None, now=now)
        assert getattr(refusal, "missing", None) == tuple(lacking)
        live = await life.go_live("TC-1", engineer, override=True, reason="no socket to try", now=now)
        assert getattr(live, "stage", None) == "live"

        listed = (await registry.ops.get(DEVICES, overridden="true")).body["items"]
        assert [(each["device_id"], each["overridden_by"], each["override_reason"]) for each in listed] == [
            ("TC-1", "Ewan", "no socket to try")
        ]
        assert listed[0]["override_missing"] == lacking
        assert (await history(registry, "TC-1"))[0]["after"] == {"stage": "live", "overridden": lacking}

        lacking.clear()
        proved = await life.go_live("TC-1", engineer, override=False, reason=None, now=now)
        assert getattr(proved, "overridden_at", "?") is None
        assert (await registry.ops.get(DEVICES, overridden="true")).body["items"] == []
        assert len((await registry.ops.get(DEVICES, overridden="false")).body["items"]) == 1
    finally:
        await pool.close()


async def test_ops_vouch_for_a_device_in_any_stage_and_an_engineer_for_none_that_he_did_not_commission(
    registry: Registry,
) -> None:
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    await registry.register("TC-1")
    await through(registry, "TC-1", "claim", "install")
    word = {"override": True, "reason": "moved from the old platform"}
    refused(await engineer.post(f"{DEVICES}/TC-1/go-live", word), 409)
    assert fields(refused(await registry.ops.post(f"{DEVICES}/TC-1/go-live", {"override": True}), 422)) == {"reason"}
    problem = refused(await registry.ops.post(f"{DEVICES}/TC-1/go-live", {"reason": "hurry"}), 409)
    assert (problem["reason"], problem["missing"]) == ("checks_missing", ["Commissioning"])
    live = await registry.ops.post(f"{DEVICES}/TC-1/go-live", word)
    assert (live.body["stage"], live.body["override_reason"]) == ("live", "moved from the old platform")


async def test_a_new_box_takes_the_place_of_a_dead_one(registry: Registry) -> None:
    home = {"installation_ref": "4711", "postcode_district": "G12", "replaces_analogue": "GCC-451"}
    await registry.ops.post(DEVICES, GLASGOW | home | {"sole_trigger": "pendant-1", "notes": "scratched"})
    await registry.register("TC-2", "fife")
    why = {"device_id": "TC-2", "reason": "struck by lightning"}
    answer = await registry.ops.post(f"{DEVICES}/TC-000123/replace", why)
    assert answer.status == 200, answer
    old, new = answer.body["replaced"], answer.body["successor"]
    assert (old["stage"], old["replaced_by"], old["installation_ref"]) == ("withdrawn", "TC-2", "4711")
    assert home.items() <= new.items()
    assert (new["stage"], new["council_id"]) == ("registered", "glasgow-city")
    assert (new["sole_trigger"], new["notes"], new["serial"]) == (None, None, "SN-TC-2"), "these are of the box"
    events = await registry.rows("select body from chassis.event_log where key = 'TC-2' order by event_log_id")
    assert [row["body"]["change"] for row in events] == ["registered", "moved"]

    again = await registry.ops.post(f"{DEVICES}/TC-000123/replace", why)
    assert (again.status, again.body) == (200, answer.body)
    told = (await registry.ops.get(f"{DEVICES}/TC-2")).body
    assert told["replaces"] == "TC-000123"
    assert [(line["change"], line["reason"]) for line in told["history"][:2]] == [
        ("replaces", "struck by lightning"),
        ("patched", "struck by lightning"),
    ]
    last = (await history(registry, "TC-000123"))[0]
    assert last["after"] == {"stage": "withdrawn", "replaced_by": "TC-2"}


async def test_an_engineer_at_a_dead_box_registers_its_successor_in_the_same_breath(registry: Registry) -> None:
    await registry.ops.post(DEVICES, GLASGOW | {"installation_ref": "4711"})
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    path = f"{DEVICES}/TC-000123/replace"
    problem = refused(await engineer.post(path, {"device_id": "TC-2"}), 409)
    assert (problem["reason"], "serial and model" in problem["detail"]) == ("unknown_successor", True)
    new = {"device_id": "TC-2", "serial": "SN-2", "model": "hearth-4g", "iccid": "8944110068256270054"}
    answer = await engineer.post(path, new)
    assert (answer.status, answer.body["successor"]["installation_ref"]) == (200, "4711")
    assert (await engineer.post(path, new)).body == answer.body


async def test_a_chain_of_replacements_has_an_end_and_no_circle(registry: Registry) -> None:
    for number in range(4):
        await registry.register(f"TC-{number}")
    for number in range(3):
        answer = await registry.ops.post(f"{DEVICES}/TC-{number}/replace", {"device_id": f"TC-{number + 1}"})
        assert answer.status == 200, answer
    for old, new, reason in (
        ("TC-3", "TC-0", "successor_withdrawn"),
        ("TC-3", "TC-3", "same_device"),
        ("TC-0", "TC-3", "replaced_already"),
    ):
        problem = refused(await registry.ops.post(f"{DEVICES}/{old}/replace", {"device_id": new}), 409)
        assert problem["reason"] == reason
    with pytest.raises(Exception, match="replaced_by_the_next"):
        await registry.execute(
            "update registry.device set stage = 'withdrawn', replaced_by = 'TC-0' where device_id = 'TC-3'"
        )


async def test_a_replacement_that_would_take_a_device_from_another_home_changes_nothing(registry: Registry) -> None:
    await registry.ops.post(DEVICES, GLASGOW | {"installation_ref": "4711"})
    await registry.register("TC-2")
    await registry.register("TC-3")
    path = f"{DEVICES}/TC-000123/replace"
    await registry.ops.patch(f"{DEVICES}/TC-2", {"installation_ref": "4712"})
    assert refused(await registry.ops.post(path, {"device_id": "TC-2"}), 409)["reason"] == "successor_elsewhere"
    mistyped = {"device_id": "TC-3", "serial": "SN-TC-4", "model": "Chiptech SEVEN"}
    assert fields(refused(await registry.ops.post(path, mistyped), 409)) == {"serial"}
    taken = {"device_id": "TC-9", "serial": "SN-TC-3", "model": "Chiptech SEVEN"}
    assert fields(refused(await registry.ops.post(path, taken), 409)) == {"serial"}
    await registry.ops.post(f"{DEVICES}/TC-2/replace", {"device_id": "TC-3"})
    assert refused(await registry.ops.post(path, {"device_id": "TC-3"}), 409)["reason"] == "successor_replaces_another"
    assert (await registry.ops.get(f"{DEVICES}/TC-000123")).body["stage"] == "registered"
    assert refused(await registry.ops.post(f"{DEVICES}/NONE/replace", {"device_id": "TC-3"}), 404)
    assert len(await registry.rows("select from registry.device")) == 3


async def test_a_replacement_that_is_refused_leaves_no_successor_behind(registry: Registry) -> None:
    await registry.register("TC-1")
    await registry.register("TC-2")
    await registry.ops.post(f"{DEVICES}/TC-1/replace", {"device_id": "TC-2"})
    new = {"device_id": "TC-3", "serial": "SN-3", "model": "hearth-4g"}
    assert refused(await registry.ops.post(f"{DEVICES}/TC-1/replace", new), 409)["reason"] == "replaced_already"
    refused(await registry.ops.get(f"{DEVICES}/TC-3"), 404)


async def test_a_device_that_was_withdrawn_first_may_be_told_its_successor(registry: Registry) -> None:
    await registry.ops.post(DEVICES, GLASGOW | {"installation_ref": "4711"})
    await registry.register("TC-2")
    await through(registry, "TC-000123", "withdraw")
    answer = await registry.ops.post(f"{DEVICES}/TC-000123/replace", {"device_id": "TC-2"})
    assert (answer.status, answer.body["successor"]["installation_ref"]) == (200, "4711")


async def test_two_who_replace_each_other_at_one_moment_do_not_both(registry: Registry) -> None:
    await registry.register("TC-1")
    await registry.register("TC-2")
    answers = await asyncio.gather(
        registry.ops.post(f"{DEVICES}/TC-1/replace", {"device_id": "TC-2"}),
        registry.ops.post(f"{DEVICES}/TC-2/replace", {"device_id": "TC-1"}),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]


async def standing(registry: Registry, device_id: str) -> str:
    """As the broker shall have it."""
    pool = await open_pool(registry.database.url, role="telecare_registry", name="test")
    try:
        async with borrow(pool) as connection:
            (user,) = await wanted(connection, registry.clock.now(), [device_id])
        return user.standing
    finally:
        await pool.close()


async def has_credential(registry: Registry, *device_ids: str) -> None:
    """As if it had exchanged a claim; the broker was told."""
    for device_id in device_ids:
        await registry.execute(
            "insert into registry.broker_user (username, kind, subject, secret_id, password_sha512, salt, iterations, made_at, "
            "made_by, applied_version) values ($1, 'device', $1, gen_random_uuid(), sha512('x'), '123456789012', 1, now(), 'x', 1)",
            device_id,
        )


async def at_home(registry: Registry) -> None:
    """A box that works in a home, and another in the engineer's van."""
    await registry.register("TC-OLD")
    await through(registry, "TC-OLD", "claim", "install", "commission", "go-live")
    await registry.register("TC-NEW")
    await has_credential(registry, "TC-OLD", "TC-NEW")


async def replaced(registry: Registry, old: str, new: str) -> None:
    answer = await registry.ops.post(f"{DEVICES}/{old}/replace", {"device_id": new})
    assert answer.status == 200, answer


WORD = {"override": True, "reason": "tried by hand"}


async def test_a_box_that_was_replaced_works_until_its_successor_is_live(registry: Registry) -> None:
    await at_home(registry)
    await replaced(registry, "TC-OLD", "TC-NEW")
    assert (await registry.ops.get(f"{DEVICES}/TC-OLD")).body["on_duty"] is True
    for move in ("claim", "install", "commission"):
        assert await standing(registry, "TC-OLD") == "enabled"
        await through(registry, "TC-NEW", move)
    await registry.execute("update registry.broker_user set applied_version = version")
    await through(registry, "TC-NEW", "go-live")
    assert (await standing(registry, "TC-OLD"), await standing(registry, "TC-NEW")) == ("disabled", "enabled")
    assert (await registry.ops.get(f"{DEVICES}/TC-OLD")).body["on_duty"] is False
    due = await registry.rows("select username from registry.broker_user where applied_version <> version")
    assert [row["username"] for row in due] == ["TC-OLD"], "and the broker is told so"
    await through(registry, "TC-NEW", "suspend")
    assert await standing(registry, "TC-OLD") == "disabled"


async def test_a_successor_that_is_live_already_relieves_at_once(registry: Registry) -> None:
    await at_home(registry)
    await through(registry, "TC-NEW", "claim", "install", "commission", "go-live")
    await replaced(registry, "TC-OLD", "TC-NEW")
    assert await standing(registry, "TC-OLD") == "disabled"


async def test_a_box_in_a_home_works_on_though_the_one_that_was_to_replace_it_is_broken(registry: Registry) -> None:
    await at_home(registry)
    await replaced(registry, "TC-OLD", "TC-NEW")
    await registry.ops.post(f"{DEVICES}/TC-NEW/withdraw", {"reason": "broken out of its packing"})
    assert (await standing(registry, "TC-OLD"), await standing(registry, "TC-NEW")) == ("enabled", "disabled")
    await registry.register("TC-THIRD")
    await replaced(registry, "TC-NEW", "TC-THIRD")
    assert (await standing(registry, "TC-OLD"), await standing(registry, "TC-NEW")) == ("enabled", "disabled")
    await registry.ops.post(f"{DEVICES}/TC-THIRD/go-live", WORD)
    assert await standing(registry, "TC-OLD") == "disabled"


async def test_a_box_that_was_replaced_is_shut_out_before_that_with_a_reason(registry: Registry) -> None:
    await at_home(registry)
    await replaced(registry, "TC-OLD", "TC-NEW")
    assert fields(refused(await registry.ops.post(f"{DEVICES}/TC-OLD/withdraw"), 422)) == {"reason"}
    assert await standing(registry, "TC-OLD") == "enabled"
    for _ in range(2):
        assert (await registry.ops.post(f"{DEVICES}/TC-OLD/withdraw", {"reason": "stolen"})).status == 200
    assert await standing(registry, "TC-OLD") == "disabled"
    lines = await history(registry, "TC-OLD")
    assert [(line["change"], line["reason"]) for line in lines[:2]] == [("shut-out", "stolen"), ("withdrawn", None)]


async def test_a_box_that_was_withdrawn_first_is_not_let_in_again_by_being_told_its_successor(
    registry: Registry,
) -> None:
    await at_home(registry)
    await registry.ops.post(f"{DEVICES}/TC-OLD/withdraw", {"reason": "stolen"})
    await replaced(registry, "TC-OLD", "TC-NEW")
    assert await standing(registry, "TC-OLD") == "disabled"


async def test_a_live_box_is_withdrawn_with_a_reason_and_reinstated_by_ops_when_that_was_a_mistake(
    registry: Registry,
) -> None:
    await at_home(registry)
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    path = f"{DEVICES}/TC-OLD"
    assert fields(refused(await engineer.post(f"{path}/withdraw"), 422)) == {"reason"}
    assert (await engineer.post(f"{path}/withdraw", {"reason": "returned"})).status == 200
    why = {"reason": "another was meant"}
    refused(await engineer.post(f"{path}/reinstate", why), 403)
    assert fields(refused(await registry.ops.post(f"{path}/reinstate"), 422)) == {"reason"}
    back = await registry.ops.post(f"{path}/reinstate", why)
    assert (back.status, back.body["stage"], back.body["overridden_at"]) == (200, "registered", None)
    assert await standing(registry, "TC-OLD") == "enabled"
    assert (await registry.ops.post(f"{path}/reinstate", why)).body == back.body
    line = (await history(registry, "TC-OLD"))[0]
    assert (line["change"], line["reason"]) == ("reinstated", "another was meant")
    checklist = (await registry.ops.get(f"{path}/checklist")).body
    assert (checklist["began_at"], checklist["missing"]) == (None, ["Commissioning"]), (
        "what it proved once is not known now"
    )


async def test_a_box_that_was_replaced_or_whose_sim_is_elsewhere_is_not_reinstated(registry: Registry) -> None:
    await at_home(registry)
    sim = {"iccid": "8944110068256270054"}
    await registry.ops.patch(f"{DEVICES}/TC-NEW", sim)
    await through(registry, "TC-NEW", "withdraw")
    await registry.ops.patch(f"{DEVICES}/TC-OLD", sim)
    why = {"reason": "another was meant"}
    assert fields(refused(await registry.ops.post(f"{DEVICES}/TC-NEW/reinstate", why), 409)) == {"iccid"}
    await registry.register("TC-THIRD")
    await replaced(registry, "TC-OLD", "TC-THIRD")
    assert refused(await registry.ops.post(f"{DEVICES}/TC-OLD/reinstate", why), 409)["legal_moves"] == []
