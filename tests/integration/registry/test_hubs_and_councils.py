"""Councils, hubs and routing over HTTP; and that a channel's secret never comes out."""

from typing import Any

import pytest

from services.chassis.secrets import Vault
from services.chassis.settings import load_settings
from tests.integration.registry.running import SECRET, Registry, fields, refused

WEBHOOK = {"kind": "webhook", "url": "https://arc.example/telecare", "secret": SECRET}
ABERDEEN = {"name": "Aberdeen ARC", "channels": [WEBHOOK | {"verified": True}, {"kind": "mqtt"}]}


async def test_scotlands_32_councils_are_there(registry: Registry) -> None:
    answer = await registry.ops.get("/api/v1/councils")
    assert len(answer.body["items"]) == 32
    assert answer.body["next"] is None
    assert answer.body["items"][0] == {
        "council_id": "aberdeen-city",
        "name": "Aberdeen City",
        "telecare_users": None,
        "analogue_units": None,
        "target": None,
        "target_date": None,
        "source": None,
        "as_of": None,
        "sources": {},
        "hubs": [],
    }
    first = await registry.ops.get("/api/v1/councils", limit=20)
    rest = await registry.ops.get("/api/v1/councils", limit=20, cursor=first.body["next"])
    assert first.body["items"] + rest.body["items"] == answer.body["items"]


async def test_a_councils_figures_are_replaced_as_a_whole(registry: Registry) -> None:
    told = {
        "telecare_users": 9000,
        "analogue_units": 8100,
        "target": 120,
        "target_date": "2027-01-31",
        "source": "council return",
        "as_of": "2026-10-01",
    }
    for _ in range(2):
        answer = await registry.ops.put("/api/v1/councils/fife", told)
        assert answer.status == 200
        assert told.items() <= answer.body.items()
    assert (await registry.ops.get("/api/v1/councils/fife")).body == answer.body
    shorter = await registry.ops.put("/api/v1/councils/fife", {"telecare_users": 9001})
    assert (shorter.body["telecare_users"], shorter.body["target"]) == (9001, None)


async def test_a_councils_figures_are_checked(registry: Registry) -> None:
    wrong = {"telecare_users": -1, "target": 2**31, "target_date": "soon", "source": "\x00", "as_of": "0001-01-01"}
    assert fields(refused(await registry.ops.put("/api/v1/councils/fife", wrong), 422)) == set(wrong)
    for method, body in (("GET", None), ("PUT", {})):
        assert "atlantis" in refused(await registry.ops.send(method, "/api/v1/councils/atlantis", body), 404)["detail"]


async def test_a_council_is_routed_to_hubs_in_order(registry: Registry) -> None:
    await registry.make_hub("moray-arc")
    await registry.make_hub("aberdeen-arc", "moray")
    for _ in range(2):
        answer = await registry.ops.put("/api/v1/councils/moray/routing", {"hubs": ["moray-arc", "aberdeen-arc"]})
        assert (answer.status, answer.body["council_id"]) == (200, "moray")
        assert answer.body["hubs"] == ["moray-arc", "aberdeen-arc"]
    assert (await registry.ops.get("/api/v1/councils/moray")).body["hubs"] == ["moray-arc", "aberdeen-arc"]


async def test_a_routing_that_leads_nowhere_is_refused_and_changes_nothing(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    await registry.make_hub("moray-arc", "moray")
    for hubs, told in (
        ([], "at least 1"),
        (["moray-arc", "nowhere-arc", "no-arc"], "nowhere-arc, no-arc"),
        (["moray-arc", "moray-arc"], "named twice: moray-arc"),
    ):
        with subtests.test(hubs=hubs):
            problem = refused(await registry.ops.put("/api/v1/councils/moray/routing", {"hubs": hubs}), 422)
            assert fields(problem) == {"hubs"}
            assert told in problem["detail"]
    assert (await registry.ops.get("/api/v1/councils/moray")).body["hubs"] == ["moray-arc"]
    refused(await registry.ops.put("/api/v1/councils/atlantis/routing", {"hubs": ["moray-arc"]}), 404)


async def test_a_hub_is_made_and_the_same_again_is_the_same(registry: Registry) -> None:
    made = await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)
    assert made.status == 201
    webhook, mqtt = made.body["channels"]
    assert (webhook["kind"], webhook["url"], webhook["has_secret"], webhook["verified"]) == (
        "webhook",
        WEBHOOK["url"],
        True,
        True,
    )
    assert (mqtt["kind"], mqtt["url"], mqtt["has_secret"], mqtt["verified"]) == ("mqtt", None, False, False)
    again = await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)
    assert (again.status, again.body) == (200, made.body)
    assert (await registry.ops.get("/api/v1/hubs/aberdeen-arc")).body == made.body
    assert (await registry.ops.get("/api/v1/hubs")).body == {"items": [made.body], "next": None}


async def test_a_hub_sent_back_as_it_was_read_keeps_its_secret_and_its_verification(registry: Registry) -> None:
    made = await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)
    again = await registry.ops.put("/api/v1/hubs/aberdeen-arc", made.body)
    assert (again.status, again.body) == (200, made.body)
    bare = await registry.ops.put("/api/v1/hubs/aberdeen-arc", {"name": "A", "channels": [WEBHOOK | {"secret": None}]})
    assert bare.body["channels"] == made.body["channels"][:1]
    assert await stored_secret(registry) == SECRET


async def test_a_channel_left_out_is_removed_and_one_told_unverified_no_longer_counts(registry: Registry) -> None:
    await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)
    body = {"name": "Aberdeen", "channels": [WEBHOOK | {"verified": False}]}
    answer = await registry.ops.put("/api/v1/hubs/aberdeen-arc", body)
    assert [(each["kind"], each["verified"]) for each in answer.body["channels"]] == [("webhook", False)]
    directory = await registry.rows("select kind, verified_at from registry.channel_directory")
    assert directory == [{"kind": "webhook", "verified_at": None}]
    assert len(await registry.rows("select from registry.hub_channel")) == 2  # deliveries of the past still name it


async def test_a_new_secret_replaces_the_old_one(registry: Registry) -> None:
    await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)
    fresh = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
    await registry.ops.put("/api/v1/hubs/aberdeen-arc", {"name": "A", "channels": [WEBHOOK | {"secret": fresh}]})
    assert await stored_secret(registry) == fresh


CANNOT_WORK: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "webhook", "secret": SECRET}, "url", "needs a URL"),
    (WEBHOOK | {"url": "http://arc.example/x"}, "url", "use https://"),
    (WEBHOOK | {"url": "http://10.0.0.8/x"}, "url", "TELECARE_WEBHOOK_ALLOW_CIDRS"),
    (WEBHOOK | {"url": "https://user:pw@arc.example/"}, "url", "user or password"),
    (WEBHOOK | {"url": "ftp://arc.example/"}, "url", "https://"),
    ({"kind": "webhook", "url": "https://arc.example/"}, "secret", "needs a secret"),
    (WEBHOOK | {"secret": "swordfish-of-this-test"}, "secret", "whsec_"),
    (WEBHOOK | {"secret": "whsec_c2hvcnQ="}, "secret", "bytes"),
    ({"kind": "mqtt", "url": "mqtt://arc.example"}, "url", "its topic follows"),
    ({"kind": "pigeon"}, "kind", ""),
]


async def test_a_channel_that_cannot_work_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    for channel, field, told in CANNOT_WORK:
        with subtests.test(channel=channel):
            problem = refused(await registry.ops.put("/api/v1/hubs/a-arc", {"name": "A", "channels": [channel]}), 422)
            assert fields(problem) == {f"channels.0.{field}"}
            assert told in problem["errors"][0]["message"]
            assert "swordfish" not in str(problem)
            assert "user:pw" not in str(problem)
    assert await registry.rows("select from registry.hub") == []


async def test_the_same_channel_twice_is_refused(registry: Registry) -> None:
    body = {"name": "A", "channels": [{"kind": "mqtt"}, {"kind": "mqtt"}]}
    assert fields(refused(await registry.ops.put("/api/v1/hubs/a-arc", body), 422)) == {"channels.1"}


async def test_a_private_webhook_is_taken_where_the_installation_allows_it(registry: Registry) -> None:
    for host in ("127.0.0.1:8099", "localhost:8099"):
        channel = WEBHOOK | {"url": f"http://{host}/hook"}
        answer = await registry.ops.put("/api/v1/hubs/a-arc", {"name": "A", "channels": [channel]})
        assert answer.status in {200, 201}, answer


async def test_no_secret_is_in_any_answer_in_the_log_or_readable_in_the_database(
    registry: Registry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    core = SECRET.removeprefix("whsec_")
    answers = [await registry.ops.put("/api/v1/hubs/aberdeen-arc", ABERDEEN)]
    answers += [await registry.ops.get(f"/api/v1/{path}") for path in ("hubs", "hubs/aberdeen-arc", "councils")]
    answers.append(await registry.ops.put("/api/v1/hubs/b-arc", ABERDEEN | {"name": 1}))
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 422]
    assert not [answer for answer in answers if core in str(answer)]
    rows = await registry.rows("select * from registry.hub_channel where secret_encrypted is not null")
    assert core.encode() not in rows[0]["secret_encrypted"]
    logged = caplog.text + "".join(capfd.readouterr())
    assert "hub_changed" in logged
    assert core not in logged
    assert "bootstrap-token" not in logged


async def stored_secret(registry: Registry) -> str:
    """The secret of the only webhook, as alerts will read it."""
    (row,) = await registry.rows("select secret_encrypted from registry.channel_directory where kind = 'webhook'")
    return Vault.from_settings(load_settings(**registry.settings)).decrypt(row["secret_encrypted"]).decode()
