"""Contract, "alarm": no alarm is refused, and what can be read is used."""

import json

import pytest

from tests.blackbox.box import PRIVATE, Sent, now
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox


async def test_what_a_box_says_is_what_the_hub_reads(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    sent_at = now()

    press = home.press(
        "smoke", sent_at=sent_at, status="activated", peripheral_id="smoke-1", location="kitchen", text=PRIVATE
    )

    data = (await receiver.told(home.device_id)).data
    event = data["event"]
    assert (event["boot_id"], event["seq"], event["kind"], event["status"]) == (
        press.boot_id,
        press.seq,
        "smoke",
        "activated",
    )
    assert (event["peripheral_id"], event["location"], event["text"]) == ("smoke-1", "kitchen", PRIVATE)
    assert (data["peripheral_id"], data["location"]) == ("smoke-1", "kitchen")
    assert event["sent_at"][:23] == data["raised_at"][:23] == sent_at[:23]


GAELIC = f"cuideachadh, a Mhòrag ☎ {PRIVATE}"
READABLE: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "fields nobody knows are ignored": ({"colour": "red", "nested": {"deep": [1]}}, {"kind": "fall"}),
    "status is activated unless said": ({}, {"status": "activated"}),
    "an unknown status counts as activated": ({"status": "exploded"}, {"status": "activated"}),
    "a status of the wrong type counts as activated": ({"status": 6}, {"status": "activated"}),
    "an unknown kind is kept as given": ({"kind": "kettle"}, {"kind": "kettle"}),
    "a peripheral of the wrong type is dropped": ({"peripheral_id": 7}, {"peripheral_id": None}),
    "a location that nobody knows is kept as text": (
        {"location": "under the stairs"},
        {"location": "under the stairs"},
    ),
    "a location of the wrong type is dropped": ({"location": ["kitchen"]}, {"location": None}),
    "a text too long is cut": ({"text": PRIVATE * 10}, {"text": (PRIVATE * 10)[:128]}),
    "a text of the wrong type is dropped": ({"text": {"en": PRIVATE}}, {"text": None}),
    "a text in Gaelic arrives as it was": (
        {"text": f"cuideachadh, a Mhòrag ☎ {PRIVATE}"},
        {"text": f"cuideachadh, a Mhòrag ☎ {PRIVATE}"},
    ),
    "a sent_at that is no time is dropped": ({"sent_at": "yesterday"}, {"sent_at": None}),
    "a sent_at without an offset is dropped": ({"sent_at": "2026-11-21T08:00:00"}, {"sent_at": None}),
    "a missing sent_at is missing": ({"sent_at": None}, {"sent_at": None}),
    "the largest seq is a seq": ({"seq": 2**63 - 1}, {"seq": 2**63 - 1}),
    "a seq of nought is a seq": ({"seq": 0}, {"seq": 0}),
    "a seq too large makes no identity": ({"seq": 2**63}, {"seq": None}),
    "a negative seq makes no identity": ({"seq": -1}, {"seq": None}),
    "a seq in quotes makes no identity": ({"seq": "12"}, {"seq": None}),
    "a seq that is true makes no identity": ({"seq": True}, {"seq": None}),
    "a boot_id too long makes no identity": ({"boot_id": "b" * 37}, {"boot_id": None}),
    "a missing boot_id makes no identity": ({"boot_id": None}, {"boot_id": None}),
}


@pytest.mark.parametrize(("fields", "expected"), READABLE.values(), ids=READABLE)
async def test_of_a_damaged_alarm_everything_that_can_be_read_is_used(
    box: MakeBox, receiver: Receiver, fields: dict[str, object], expected: dict[str, object]
) -> None:
    home = await box()

    home.send("alarm", {"kind": "fall", **fields})

    told = await receiver.told(home.device_id)
    event = told.data["event"]
    assert expected.items() <= event.items()
    assert (event["kind"], told.data["priority"]) == (fields.get("kind", "fall"), 1)


async def test_a_peripheral_name_too_long_is_cut_to_32_characters(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.press("door", peripheral_id="bedroom-door-contact-behind-the-wardrobe")
    event = (await receiver.told(home.device_id)).data["event"]
    assert event["peripheral_id"].startswith("bedroom-door-co")
    assert len(event["peripheral_id"]) <= 32


@pytest.mark.parametrize("test", ["true", 1, "yes", {}])
async def test_a_test_flag_that_is_not_true_itself_may_be_a_person(
    box: MakeBox, receiver: Receiver, test: object
) -> None:
    home = await box()
    home.press(test=test)
    told = await receiver.told(home.device_id)
    assert (told.data["test"], told.data["priority"]) == (False, 1)


async def test_a_null_character_in_a_text_does_not_cost_the_alarm(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.press(text=f"{PRIVATE}\0", peripheral_id="pendant\0", location="hall\0way")
    told = await receiver.told(home.device_id)
    assert told.data["priority"] == 1
    assert "\0" not in told.body.decode()
    assert "\\u0000" not in told.body.decode()


async def test_half_a_character_in_a_text_does_not_cost_the_alarm(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    body = {"boot_id": home.boot_id, "seq": 1, "sent_at": now(), "kind": "fall", "text": "PLACE"}
    press = home.say("alarm", json.dumps(body).replace("PLACE", "\\ud83d").encode(), home.boot_id, 1)
    assert (await receiver.told(home.device_id)).data["event"]["kind"] == "fall"
    await home.receipt(press)


async def test_an_alarm_without_a_kind_has_priority_1(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.send("alarm", {"location": "bathroom"})
    told = await receiver.told(home.device_id)
    assert (told.data["priority"], told.data["location"]) == (1, "bathroom")


UNREADABLE = {
    "nothing at all": b"",
    "no text": b"\xff\xfe\x00\x01" + PRIVATE.encode(),
    "words": PRIVATE.encode(),
    "half a payload": b'{"boot_id":"b","seq":1,"kind":"fa',
    "a list": b'["fall"]',
    "a null": b"null",
    "a number": b"112",
    "brackets without end": b"[" * 5000,
}


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE)
async def test_bytes_that_cannot_be_read_are_an_alarm_of_the_first_priority(
    box: MakeBox, receiver: Receiver, payload: bytes
) -> None:
    home = await box()

    noise = home.say("alarm", payload)

    told = await receiver.told(home.device_id)
    assert (told.data["kind"], told.data["priority"]) == ("unreadable", 1)
    assert (told.data["event"]["boot_id"], told.data["event"]["seq"]) == (None, None)
    receipt = await home.receipt(noise)
    assert (receipt["boot_id"], receipt["seq"], receipt["payload_sha256"]) == (None, None, noise.sha256)


async def test_an_alarm_of_16_kib_is_read(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    body = {"boot_id": home.boot_id, "seq": 1, "sent_at": now(), "kind": "fall", "padding": ""}
    room = 16 * 1024 - len(json.dumps(body))
    payload = json.dumps({**body, "padding": "x" * room}).encode()
    assert len(payload) == 16 * 1024
    press = home.say("alarm", payload, home.boot_id, 1)
    assert (await receiver.told(home.device_id)).data["event"]["kind"] == "fall"
    await home.receipt(press)


async def test_an_alarm_sent_with_qos_0_is_taken_and_receipted(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.qos = 0  # and of each repeat: nobody keeps it for a service that the broker has just cut off
    await home.receipt(home.press("panic"))
    assert (await receiver.told(home.device_id)).data["event"]["kind"] == "panic"


async def test_a_retained_alarm_is_taken_and_receipted(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    body = {"boot_id": home.boot_id, "seq": 1, "sent_at": now(), "kind": "gas"}
    press = Sent(f"{home.topic}/alarm", json.dumps(body).encode(), home.boot_id, 1)
    home.again(press, retain=True)
    assert (await receiver.told(home.device_id)).data["event"]["kind"] == "gas"
    await home.receipt(press)
    home.client.publish(press.topic, b"", 1, retain=True)  # forget it again: an empty payload is an alarm all the same
    await installation.alarm(
        home.device_id, kind="unreadable"
    )  # or it comes when all are closed, and nobody ever takes it


@pytest.mark.parametrize("moves", [[], ["go-live"], ["go-live", "suspend"], ["withdraw"]], ids=str)
@pytest.mark.parametrize(("kind", "priority"), [("fall", 1), ("flood", 2)])
async def test_in_whatever_stage_a_box_is_its_alarms_of_life_and_welfare_are_heard(
    installation: Installation, box: MakeBox, receiver: Receiver, moves: list[str], kind: str, priority: int
) -> None:
    home = await box()
    for move in moves:
        moved = await installation.api.post(f"/api/v1/devices/{home.device_id}/{move}", {"reason": "as agreed"})
        assert moved.status == 200, moved
    home.press(kind)
    assert (await receiver.told(home.device_id)).data["priority"] == priority
