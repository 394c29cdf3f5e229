"""A hub's channels: e-mail and text, secrets that are replaced without a gap, and who sees how much of them."""

from datetime import timedelta
from typing import Any

import pytest

from services.chassis.secrets import Vault
from services.registry.hubs.store import PREVIOUS_SECRET_LIFE
from tests.integration.registry.running import NOW, SECRET, Registry, fields, refused

HUB = "/api/v1/hubs/aberdeen-arc"
FRESH = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
LATEST = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4"
WEBHOOK = {"kind": "webhook", "url": "https://arc.example/telecare?key=of-the-hub", "secret": SECRET}
EMAIL = {"kind": "email", "address": "night.desk@arc.example"}
TEXT = {"kind": "sms", "address": "07700 900123"}


async def put(registry: Registry, *channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await registry.ops.put(HUB, {"name": "Aberdeen ARC", "channels": list(channels)} | more)
    assert answer.status in {200, 201}, answer
    body: dict[str, Any] = answer.body
    return body


def opened(registry: Registry, sealed: bytes | None) -> str | None:
    return None if sealed is None else Vault(registry.settings["secret_key"]).decrypt(sealed).decode()


async def test_a_hub_is_told_by_email_and_by_text_and_shows_where_only_masked(registry: Registry) -> None:
    made = await put(registry, EMAIL | {"verified": True}, TEXT)
    shown = [(each["kind"], each["address"], each["verified"], each["url"]) for each in made["channels"]]
    assert shown == [("email", "n…@arc.example", True, None), ("sms", "+44…123", False, None)]
    rows = await registry.rows("select address_encrypted from registry.channel_directory order by position")
    assert [opened(registry, row["address_encrypted"]) for row in rows] == ["night.desk@arc.example", "+447700900123"]
    assert await put(registry, EMAIL, TEXT | {"address": "+447700900123"}) == made  # found again by what they are
    assert (await registry.ops.put(HUB, made)).body == made  # and by their ids


async def test_an_address_that_changes_is_the_same_channel_and_no_longer_verified(registry: Registry) -> None:
    before = (await put(registry, EMAIL | {"verified": True}))["channels"][0]
    moved = (await put(registry, {**before, "address": "day.desk@arc.example", "verified": None}))["channels"][0]
    assert (moved["channel_id"], moved["address"], moved["verified"]) == (before["channel_id"], "d…@arc.example", False)
    webhook = (await put(registry, WEBHOOK | {"verified": True}))["channels"][0]
    elsewhere = {"kind": "webhook", "channel_id": webhook["channel_id"], "url": "https://arc.example/new"}
    after = (await put(registry, elsewhere))["channels"][0]
    assert (after["url"], after["has_secret"], after["verified"]) == ("https://arc.example/new", True, False)
    assert (await put(registry, elsewhere | {"verified": True}))["channels"][0]["verified"] is True


async def test_a_channel_that_is_another_hubs_or_another_kind_is_refused(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    await registry.make_hub("moray-arc")
    foreign = (await registry.ops.get("/api/v1/hubs/moray-arc")).body["channels"][0]["channel_id"]
    own = (await put(registry, EMAIL, WEBHOOK))["channels"][0]
    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([{"kind": "mqtt", "channel_id": foreign}], "channels.0.channel_id"),
        ([{"kind": "mqtt", "channel_id": own["channel_id"]}], "channels.0.kind"),
        ([own, own], "channels.1.channel_id"),
        ([own, EMAIL], "channels.1"),
        ([EMAIL, EMAIL | {"address": " night.desk@ARC.example"}], "channels.1"),
        ([own | {"address": "x…@arc.example"}], "channels.0.address"),
        ([{"kind": "email", "address": "n…@arc.example"}], "channels.0.address"),
        ([{"kind": "email"}], "channels.0.address"),
        ([EMAIL | {"address": "nobody"}], "channels.0.address"),
        ([EMAIL | {"kind": "sms"}], "channels.0.address"),
        ([EMAIL | {"url": "https://arc.example/"}], "channels.0.url"),
        ([TEXT | {"secret": SECRET}], "channels.0.secret"),
        ([WEBHOOK | {"address": "a@example.org"}], "channels.0.address"),
        ([{"kind": "mqtt", "address": "a@example.org"}], "channels.0.address"),
    ]
    before = (await registry.ops.get(HUB)).body
    for channels, field in cases:
        with subtests.test(channels=channels):
            problem = refused(await registry.ops.put(HUB, {"name": "A", "channels": channels}), 422)
            assert fields(problem) == {field}
            assert "night.desk" not in str(problem)
    assert (await registry.ops.get(HUB)).body == before


async def test_a_secret_that_was_replaced_signs_beside_the_new_one_for_a_day(registry: Registry) -> None:
    await put(registry, WEBHOOK)
    (rotated,) = (await put(registry, WEBHOOK | {"secret": FRESH}))["channels"]
    until = (NOW + PREVIOUS_SECRET_LIFE).isoformat().replace("+00:00", "Z")
    assert rotated["previous_secret_until"] == until
    assert await secrets(registry) == (FRESH, SECRET, NOW + timedelta(hours=24))

    registry.clock.advance(3600)
    (again,) = (await put(registry, WEBHOOK | {"secret": FRESH}))["channels"]
    assert again["previous_secret_until"] == until  # the same secret again is no rotation
    assert (await put(registry, WEBHOOK | {"secret": None}))["channels"] == [again]

    registry.clock.advance(23 * 3600)
    assert (await registry.ops.get(HUB)).body["channels"][0]["previous_secret_until"] is None
    await put(registry, WEBHOOK | {"secret": None})
    assert await secrets(registry) == (FRESH, None, None)


async def test_what_has_expired_is_not_kept_and_neither_is_what_a_removed_channel_was_reached_by(
    registry: Registry,
) -> None:
    expiry = next(loop for loop in registry.service.loops if loop.name == "registry-expiry")
    await put(registry, WEBHOOK)
    made = await put(registry, WEBHOOK | {"secret": FRESH}, EMAIL)
    email = f"{HUB}/channels/{made['channels'][1]['channel_id']}"
    assert (await registry.ops.post(f"{email}/verification")).status == 202
    registry.clock.advance(60 * 60)
    await expiry.run_once()
    assert await secrets(registry) == (FRESH, SECRET, NOW + timedelta(hours=24))
    assert len(await registry.rows("select from registry.verification")) == 1  # it still counts towards how often
    registry.clock.advance(23 * 60 * 60)
    await expiry.run_once()
    assert await secrets(registry) == (FRESH, None, None)
    assert await registry.rows("select from registry.verification") == []

    await put(registry)
    rows = await registry.rows("select secret_encrypted, address_encrypted from registry.hub_channel order by position")
    assert rows == [
        {"secret_encrypted": b"", "address_encrypted": None},
        {"secret_encrypted": None, "address_encrypted": b""},
    ]


async def test_of_two_rotations_in_a_day_the_last_two_secrets_hold(registry: Registry) -> None:
    for secret in (SECRET, FRESH, LATEST):
        await put(registry, WEBHOOK | {"secret": secret})
    assert (await secrets(registry))[:2] == (LATEST, FRESH)


async def test_a_secret_under_a_lost_key_is_replaced_and_not_kept(registry: Registry) -> None:
    await put(registry, WEBHOOK)
    foreign = Vault("the passphrase of another installation").encrypt(b"whatever")
    await registry.execute("update registry.hub_channel set secret_encrypted = $1", foreign)
    (channel,) = (await put(registry, WEBHOOK | {"secret": FRESH}))["channels"]
    assert channel["previous_secret_until"] is None
    assert await secrets(registry) == (FRESH, None, None)


async def test_an_address_under_a_lost_key_is_shown_as_unreadable_and_kept_until_it_is_given_again(
    registry: Registry,
) -> None:
    await put(registry, EMAIL | {"verified": True})
    foreign = Vault("the passphrase of another installation").encrypt(b"nobody@example.org")
    await registry.execute("update registry.hub_channel set address_encrypted = $1", foreign)
    hub = (await registry.ops.get(HUB)).body
    assert hub["channels"][0]["address"] is None
    assert (await registry.ops.put(HUB, hub)).body == hub
    (row,) = await registry.rows("select address_encrypted from registry.channel_directory")
    assert row["address_encrypted"] == foreign
    given = {**hub["channels"][0], "address": EMAIL["address"], "verified": None}
    (channel,) = (await put(registry, given))["channels"]
    assert (channel["address"], channel["verified"]) == ("n…@arc.example", False)


async def secrets(registry: Registry) -> tuple[Any, ...]:
    """The webhook's secret, the one before, and until when: as alerts will read them."""
    (row,) = await registry.rows(
        "select secret_encrypted, previous_secret_encrypted, previous_secret_until from registry.channel_directory"
        " where kind = 'webhook'"
    )
    sealed, previous, until = row.values()
    return opened(registry, sealed), opened(registry, previous), until


async def test_whoever_only_looks_on_sees_no_more_of_a_webhook_than_its_origin(registry: Registry) -> None:
    await put(registry, WEBHOOK, EMAIL)
    viewer = await registry.caller("viewer")
    hub = await registry.caller("hub", hub_id="aberdeen-arc")
    for path in (HUB, "/api/v1/hubs"):
        seen = {role: str((await caller.get(path)).body) for role, caller in (("viewer", viewer), ("hub", hub))}
        assert "'https://arc.example'" in seen["viewer"]
        assert "of-the-hub" not in seen["viewer"]
        assert "of-the-hub" in seen["hub"]
        assert "night.desk" not in str(seen)


async def test_a_hubs_own_record_of_a_home_is_kept_with_a_place_for_its_reference(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    template = "https://arc.example/homes/{installation_ref}?tab=alarms"
    made = await put(registry, record_url_template=template)
    assert made["record_url_template"] == template
    assert (await registry.ops.put(HUB, made)).body == made
    (row,) = await registry.rows("select record_url_template from registry.hub_directory")
    assert row == {"record_url_template": template}
    for wrong in (
        "https://arc.example/homes/",
        "javascript:alert('{installation_ref}')",
        "https://{installation_ref}/",
        "",
    ):
        with subtests.test(template=wrong):
            body = {"name": "A", "channels": [], "record_url_template": wrong}
            assert fields(refused(await registry.ops.put(HUB, body), 422)) == {"record_url_template"}
    assert (await put(registry))["record_url_template"] is None  # a hub is exactly as it was told to be
