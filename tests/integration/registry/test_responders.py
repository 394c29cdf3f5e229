"""Responders of a council: in order, within their hours, and nobody reads who they are."""

import asyncio
import logging
from typing import Any

import pytest

from services.chassis.secrets import Vault
from tests.integration.registry.running import Registry, fields, refused

FIFE = "/api/v1/councils/fife/responders"
ISLA: dict[str, Any] = {"kind": "email", "name": "Isla Kerr", "address": "isla.kerr@wardens.example"}
NIGHTS = [{"days": ["sat", "sun"], "from": "22:00", "until": "06:00"}]


async def add(registry: Registry, name: str, **more: Any) -> dict[str, Any]:
    number = f"07700 900{sum(name.encode()) % 1000:03}"
    answer = await registry.ops.post(FIFE, {"kind": "sms", "name": name, "address": number} | more)
    assert answer.status == 201, answer
    body: dict[str, Any] = answer.body
    return body


async def order(registry: Registry) -> list[str]:
    listed = (await registry.ops.get(FIFE)).body["items"]
    assert [each["position"] for each in listed] == list(range(len(listed)))
    return [each["name"] for each in listed]


async def test_a_responder_is_added_and_comes_back_with_its_address_masked(registry: Registry) -> None:
    made = await registry.ops.post(FIFE, ISLA | {"rota": NIGHTS})
    assert made.status == 201
    assert made.headers["Location"] == f"{FIFE}/{made.body['responder_id']}"
    told = {"council_id": "fife", "position": 0, "kind": "email", "name": "Isla Kerr", "address": "i…@wardens.example"}
    assert told.items() <= made.body.items()
    assert (made.body["rota"], made.body["verified"]) == (NIGHTS, False)
    assert (await registry.ops.get(FIFE)).body == {"items": [made.body], "next": None}
    assert (await registry.ops.get("/api/v1/councils/angus/responders")).body["items"] == []


async def test_responders_are_called_in_the_order_that_was_given(registry: Registry) -> None:
    for name in ("ann", "bob", "cat"):
        await add(registry, name)
    first = await add(registry, "dee", position=0)
    assert await order(registry) == ["dee", "ann", "bob", "cat"]
    moved = await registry.ops.put(f"{FIFE}/{first['responder_id']}", {"position": 2})
    assert (moved.status, moved.body["position"]) == (200, 2)
    assert await order(registry) == ["ann", "bob", "dee", "cat"]
    await registry.ops.put(f"{FIFE}/{first['responder_id']}", {"position": 40})
    assert await order(registry) == ["ann", "bob", "cat", "dee"]
    page = await registry.ops.get(FIFE, limit=3)
    rest = await registry.ops.get(FIFE, limit=3, cursor=page.body["next"])
    assert [each["name"] for each in page.body["items"] + rest.body["items"]] == ["ann", "bob", "cat", "dee"]


async def test_who_is_removed_is_called_no_more_and_nobody_can_read_who_it_was(registry: Registry) -> None:
    for name in ("ann", "bob", "cat"):
        await add(registry, name)
    bob = (await registry.ops.get(FIFE)).body["items"][1]["responder_id"]
    assert (await registry.ops.send("DELETE", f"{FIFE}/{bob}")).status == 204
    assert await order(registry) == ["ann", "cat"]
    assert len(await registry.rows("select from registry.responder_directory")) == 2
    (kept,) = await registry.rows("select * from registry.responder where removed_at is not null")
    assert (str(kept["responder_id"]), kept["name_encrypted"], kept["address_encrypted"]) == (bob, b"", b"")
    for method, body in (("DELETE", None), ("PUT", {"name": "x"})):
        refused(await registry.ops.send(method, f"{FIFE}/{bob}", body), 404)


async def test_what_is_left_out_or_sent_back_masked_stays_and_so_does_its_verification(registry: Registry) -> None:
    made = (await registry.ops.post(FIFE, ISLA | {"verified": True, "rota": NIGHTS})).body
    assert made["verified"]
    path = f"{FIFE}/{made['responder_id']}"
    assert (await registry.ops.put(path, made)).body == made
    assert (await registry.ops.put(path, {})).body == made
    assert (await registry.ops.put(path, {"address": " Isla.Kerr@Wardens.EXAMPLE"})).body["verified"] is False
    assert (await registry.ops.put(path, {"name": "Isla Ker", "rota": []})).body == made | {
        "name": "Isla Ker",
        "address": "I…@wardens.example",
        "rota": [],
        "verified": False,
    }
    assert await stored_address(registry) == "Isla.Kerr@wardens.example"


async def test_another_address_has_to_be_verified_again_unless_ops_say_so(registry: Registry) -> None:
    made = (await registry.ops.post(FIFE, ISLA | {"verified": True})).body
    path = f"{FIFE}/{made['responder_id']}"
    moved = (await registry.ops.put(path, {"kind": "sms", "address": "+44 (0)7700 900-123"})).body
    assert (moved["kind"], moved["address"], moved["verified"]) == ("sms", "+44…123", False)
    assert await stored_address(registry) == "+447700900123"
    vouched = (await registry.ops.put(path, {"address": "07700900124", "verified": True})).body
    assert (vouched["address"], vouched["verified"]) == ("+44…124", True)
    assert (await registry.ops.put(path, {"verified": False})).body["verified"] is False


async def test_a_responder_that_could_not_be_reached_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    made = (await registry.ops.post(FIFE, ISLA)).body
    own = f"{FIFE}/{made['responder_id']}"
    cases: list[tuple[str, str, dict[str, Any], set[str]]] = [
        ("POST", FIFE, {}, {"kind", "name", "address"}),
        ("POST", FIFE, ISLA | {"kind": "sms"}, {"address"}),
        ("POST", FIFE, ISLA | {"kind": "pager"}, {"kind"}),
        ("POST", FIFE, ISLA | {"address": "a…@example.org"}, {"address"}),
        ("POST", FIFE, ISLA | {"name": " "}, {"name"}),
        ("POST", FIFE, ISLA | {"name": "Isla\nBcc: all"}, {"name"}),
        ("POST", FIFE, ISLA | {"position": -1}, {"position"}),
        ("POST", FIFE, ISLA | {"phone": "07700 900123"}, {"phone"}),
        ("POST", FIFE, ISLA | {"rota": [{"days": ["mon"], "from": "9", "until": "17:00"}]}, {"rota.0.from"}),
        ("POST", FIFE, ISLA | {"rota": [{"days": ["mon", "mon"], "from": "09:00", "until": "17:00"}]}, {"rota.0"}),
        ("PUT", own, {"kind": "sms"}, {"address"}),
        ("PUT", own, {"address": "b…@wardens.example"}, {"address"}),
        ("PUT", f"{FIFE}/isla", {}, {"responder_id"}),
    ]
    for method, path, body, wrong in cases:
        with subtests.test(method=method, body=body):
            problem = refused(await registry.ops.send(method, path, body), 422)
            assert fields(problem) == wrong
            assert "kerr" not in str(problem).lower()
    assert (await registry.ops.get(FIFE)).body["items"] == [made]
    for method in ("GET", "POST"):
        refused(await registry.ops.send(method, "/api/v1/councils/atlantis/responders", ISLA), 404)


async def test_nobody_is_called_twice_over_and_a_council_has_a_bounded_number(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    isla = (await registry.ops.post(FIFE, ISLA)).body["responder_id"]
    twice = refused(await registry.ops.post(FIFE, ISLA | {"name": "Another"}), 409)
    assert twice["responder_id"] == isla
    ann = await add(registry, "ann")
    body = {"kind": "email", "address": ISLA["address"]}
    assert refused(await registry.ops.put(f"{FIFE}/{ann['responder_id']}", body), 409)["responder_id"] == isla
    monkeypatch.setattr("services.registry.responders.store.RESPONDERS_MAX", 2)
    assert "remove one" in refused(await registry.ops.post(FIFE, ISLA | {"address": "x@example.org"}), 409)["detail"]
    elsewhere = await registry.ops.post("/api/v1/councils/angus/responders", ISLA)
    assert elsewhere.status == 201


async def test_two_who_add_the_same_responder_at_the_same_time_add_one(registry: Registry) -> None:
    others = [{"kind": "sms", "name": f"n{each}", "address": f"0770090010{each}"} for each in range(4)]
    answers = await asyncio.gather(*(registry.ops.post(FIFE, each) for each in [ISLA, ISLA, *others, ISLA]))
    assert sorted(answer.status for answer in answers) == [201] * 5 + [409] * 2
    assert len(await order(registry)) == 5


async def test_no_contact_is_readable_in_an_answer_in_the_log_or_in_the_database(
    registry: Registry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    made = await registry.ops.post(FIFE, ISLA)
    changed = await registry.ops.put(f"{FIFE}/{made.body['responder_id']}", {"address": "isla.kerr2@wardens.example"})
    assert "isla.kerr" not in str([made, changed, await registry.ops.get(FIFE)])
    (row,) = await registry.rows("select * from registry.responder")
    assert b"isla" not in row["address_encrypted"] + row["name_encrypted"]
    logged = caplog.text + "".join(capfd.readouterr())
    assert "responder_added" in logged
    assert "kerr" not in logged.lower()


async def test_a_contact_under_a_lost_key_is_shown_as_unreadable_and_can_be_given_again(registry: Registry) -> None:
    made = (await registry.ops.post(FIFE, ISLA | {"verified": True})).body
    foreign = Vault("the passphrase of another installation").encrypt(b"nobody@example.org")
    await registry.execute("update registry.responder set name_encrypted = $1, address_encrypted = $1", foreign)
    (listed,) = (await registry.ops.get(FIFE)).body["items"]
    assert (listed["name"], listed["address"], listed["verified"]) == (None, None, True)
    path = f"{FIFE}/{made['responder_id']}"
    assert (await registry.ops.put(path, listed)).body == listed
    (row,) = await registry.rows("select address_encrypted from registry.responder")
    assert row["address_encrypted"] == foreign
    again = (await registry.ops.put(path, {"name": ISLA["name"], "address": ISLA["address"]})).body
    assert (again["name"], again["address"], again["verified"]) == ("Isla Kerr", "i…@wardens.example", False)


async def stored_address(registry: Registry) -> str:
    """As alerts will read it."""
    (row,) = await registry.rows("select address_encrypted from registry.responder_directory")
    return Vault(registry.settings["secret_key"]).decrypt(row["address_encrypted"]).decode()
