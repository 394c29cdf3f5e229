"""Channels are asked whether they are alive, before the next alarm needs them."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services.alerts.probes.prober import Prober, TransportProber
from services.alerts.probes.responders import ResponderWays
from services.chassis.postgres import open_pool
from tests.blackbox.hub import Receiver
from tests.integration.alerts.probes.watch import PERIOD_S, health, look, pass_time
from tests.integration.alerts.world import World


async def episodes(world: World, hub_id: str) -> list[tuple[str, int, str]]:
    """The alarms about a hub's channel: kind, priority, state."""
    return [(each["kind"], each["priority"], each["state"]) for each in await world.alarms(f"hub-{hub_id}")]


async def test_every_verified_channel_is_probed_every_five_minutes_and_no_other(
    glasgow: World, receiver: Receiver
) -> None:
    await glasgow.hub("idle-arc", receiver.channel("idle-arc")["url"], verified=False)
    await look(glasgow)
    await pass_time(glasgow, 3 * PERIOD_S)
    assert [len(receiver.probes(hub)) for hub in ("clyde-arc", "forth-arc", "idle-arc")] == [3, 3, 0]
    for hub, each in (await health(glasgow)).items():
        assert (each["failures"], each["alarm_at"]) == (0, None), hub
        assert glasgow.clock.now() - each["last_alive_at"] <= timedelta(seconds=PERIOD_S)
    assert await glasgow.alarms() == []


async def test_a_probe_is_a_signed_notification_and_says_whom_it_asks(glasgow: World, receiver: Receiver) -> None:
    await look(glasgow)
    await pass_time(glasgow, PERIOD_S)
    (probe,) = receiver.probes("clyde-arc")
    channel = (await health(glasgow))["clyde-arc"]["channel_id"]
    assert probe.notification["data"] == {
        "channel_id": str(channel),
        "kind": "webhook",
        "hub_id": "clyde-arc",
        "verification_code": None,
    }


async def test_a_hub_that_is_dead_for_three_probes_is_one_alarm_which_closes_when_it_answers_again(
    glasgow: World, receiver: Receiver
) -> None:
    receiver.break_down("clyde-arc")
    await look(glasgow)
    await pass_time(glasgow, 2 * PERIOD_S)
    assert await episodes(glasgow, "clyde-arc") == []
    await pass_time(glasgow, 4 * PERIOD_S)
    (alarm,) = await glasgow.alarms("hub-clyde-arc")
    assert (alarm["kind"], alarm["priority"], alarm["state"]) == ("channel_failing", 3, "open")
    assert (alarm["council_id"], alarm["unregistered"], alarm["event_count"]) == ("glasgow-city", False, 1)
    assert receiver.accepted("hub-clyde-arc", hub="forth-arc")  # the other hub hears of it

    receiver.mend("clyde-arc")
    await pass_time(glasgow, PERIOD_S)
    (alarm,) = await glasgow.alarms("hub-clyde-arc")
    assert (alarm["state"], alarm["closed_by"]) == ("closed", "system")
    assert (await health(glasgow))["clyde-arc"]["alarm_at"] is None
    assert await episodes(glasgow, "forth-arc") == []


async def test_people_read_why_a_probe_failed_and_not_that_it_was_given_up(glasgow: World, receiver: Receiver) -> None:
    receiver.break_down("clyde-arc", 503)
    await look(glasgow)
    await pass_time(glasgow, 5 * PERIOD_S)
    assert (await health(glasgow))["clyde-arc"]["last_error"] == "HTTP 503"
    told = await glasgow.database.fetchval(
        "select e.body ->> 'text' from alerts.alarm_event e join alerts.alarm a using (alarm_id) "
        "where a.device_id = 'hub-clyde-arc'"
    )
    assert told == "webhook channel of clyde-arc: HTTP 503"
    given_up = "select distinct last_error from alerts.delivery where hub_id = 'clyde-arc' and state = 'failed'"
    assert [row["last_error"] for row in await glasgow.database.fetch(given_up)] == ["HTTP 503"]


async def test_refusing_for_good_is_being_dead_too(glasgow: World, receiver: Receiver) -> None:
    receiver.break_down("clyde-arc", 410)
    await look(glasgow)
    await pass_time(
        glasgow, 4 * PERIOD_S
    )  # the first of three comes within a period, and an outcome is looked at 10 s later
    assert await episodes(glasgow, "clyde-arc") == [("channel_failing", 3, "open")]
    assert (await health(glasgow))["clyde-arc"]["last_error"] == "HTTP 410"


async def test_a_channel_on_which_alarms_arrive_is_alive_whatever_becomes_of_its_probes(
    glasgow: World, receiver: Receiver
) -> None:
    receiver.plan("clyde-arc", *[503] * 1000)
    await look(glasgow)
    for _ in range(5):
        await pass_time(glasgow, PERIOD_S)
        await glasgow.press("fall")
    await pass_time(glasgow, 10)
    assert await episodes(glasgow, "clyde-arc") == []
    assert (await health(glasgow))["clyde-arc"]["failures"] <= 1


async def test_an_alarm_that_arrives_ends_an_episode(glasgow: World, receiver: Receiver) -> None:
    receiver.plan("clyde-arc", *[503] * 1000)  # of these there are enough for its probes
    receiver.break_down("clyde-arc")
    await look(glasgow)
    await pass_time(glasgow, 4 * PERIOD_S)
    assert (await health(glasgow))["clyde-arc"]["alarm_at"] is not None
    receiver.mend("clyde-arc")
    await glasgow.press("fall")
    await pass_time(glasgow, PERIOD_S)
    assert (await episodes(glasgow, "clyde-arc"))[0] == ("channel_failing", 3, "closed")


async def test_a_channel_that_is_removed_fails_no_longer(glasgow: World, receiver: Receiver) -> None:
    receiver.break_down("clyde-arc")
    await look(glasgow)
    await pass_time(glasgow, 4 * PERIOD_S)
    assert await episodes(glasgow, "clyde-arc") == [("channel_failing", 3, "open")]
    await glasgow.database.execute("update registry.hub_channel set removed_at = now() where hub_id = 'clyde-arc'")
    await look(glasgow)
    assert "clyde-arc" not in await health(glasgow)
    assert await episodes(glasgow, "clyde-arc") == [("channel_failing", 3, "closed")]


async def test_many_processes_probe_each_channel_once(glasgow: World) -> None:
    await look(glasgow)
    pools = [
        await open_pool(glasgow.runtime.database_url, role="telecare_alerts", name="test", size=2) for _ in range(4)
    ]
    probers = [Prober(pool, glasgow.clock, lambda: None) for pool in pools]
    try:
        for _ in range(PERIOD_S // 50):
            glasgow.clock.move(50)
            await asyncio.gather(*(prober.run_once() for prober in probers for _ in range(2)))
    finally:
        for pool in pools:
            pool.terminate()
    rows = await glasgow.database.fetch("select hub_id from alerts.delivery where alarm_id is null")
    assert Counter(row["hub_id"] for row in rows) == {"clyde-arc": 1, "forth-arc": 1}


async def test_an_episode_begins_with_its_alarm_or_not_at_all_and_its_fault_stops_no_other_probe(
    glasgow: World, receiver: Receiver
) -> None:
    receiver.break_down("clyde-arc", 410)
    await look(glasgow)
    await pass_time(glasgow, 2 * PERIOD_S)
    await glasgow.database.execute(
        "alter table chassis.event_log add constraint a_fault check (stream <> 'alarms') not valid"
    )
    await pass_time(glasgow, 2 * PERIOD_S)
    found = await health(glasgow)
    assert (found["clyde-arc"]["failures"], found["clyde-arc"]["alarm_at"]) == (2, None)
    assert glasgow.clock.now() - found["forth-arc"]["last_alive_at"] <= timedelta(seconds=PERIOD_S)
    await glasgow.database.execute("update registry.hub_channel set removed_at = now() where hub_id = 'forth-arc'")
    await glasgow.database.execute("alter table chassis.event_log drop constraint a_fault")
    await pass_time(glasgow, PERIOD_S)
    assert await episodes(glasgow, "clyde-arc") == [("channel_failing", 3, "open")]
    assert "forth-arc" not in await health(glasgow)


async def test_probes_that_we_had_no_time_to_send_say_nothing_of_a_channel(glasgow: World, receiver: Receiver) -> None:
    await look(glasgow)
    for _ in range(4 * PERIOD_S // 10):  # the dispatcher has stopped
        glasgow.clock.move(10)
        while await glasgow.parts.prober.run_once():
            pass
    assert {each["failures"] for each in (await health(glasgow)).values()} == {0}
    await pass_time(glasgow, PERIOD_S)  # and finds that it is too late for all but the last
    for each in (await health(glasgow)).values():
        assert each["failures"] == 0
        assert glasgow.clock.now() - each["last_alive_at"] <= timedelta(seconds=PERIOD_S)
    assert await glasgow.alarms() == []


@dataclass
class MailServer:
    """The far end of all e-mail channels, as its channel asks it."""

    fault: str | None = None
    asked: int = 0
    raises: Exception | None = None
    hubs: list[str] = field(default_factory=list)

    async def probe(self) -> str | None:
        self.asked += 1
        if self.raises is not None:
            raise self.raises
        return self.fault


async def make_email_hubs(world: World, *hub_ids: str) -> None:
    for hub_id in hub_ids:
        await world.database.execute(
            "insert into registry.hub (hub_id, name, created_at) values ($1, $1, now())", hub_id
        )
        await world.database.execute(
            "insert into registry.hub_channel (channel_id, hub_id, kind, address_encrypted, verified_at, position) "
            "values ($1, $2, 'email', $3, now(), 0)",
            *(uuid4(), hub_id, world.vault.encrypt(b"desk@arc.example")),
        )


async def ask_for(world: World, prober: TransportProber, seconds: float) -> None:
    """As `pass_time`, with this transport."""
    for _ in range(int(seconds // 10)):
        world.clock.move(10)
        await prober.run_once()
        await look(world)


async def test_nobody_is_written_to_for_a_probe_of_email_its_server_is_asked(glasgow: World) -> None:
    server = MailServer()
    await make_email_hubs(glasgow, "desk-arc", "night-arc")
    prober = TransportProber(glasgow.parts.pool, glasgow.clock, {"email": server})
    await look(glasgow)
    await ask_for(glasgow, prober, PERIOD_S)
    assert 1 <= server.asked <= 2
    assert await glasgow.database.fetchval("select count(*) from alerts.delivery where kind = 'email'") == 0
    assert (await health(glasgow))["desk-arc"]["last_alive_at"] is not None


async def test_a_mail_server_that_is_dead_for_three_probes_is_an_alarm_of_each_hub_that_relies_on_it(
    glasgow: World,
) -> None:
    server = MailServer(fault="The mail server does not answer.")
    await make_email_hubs(glasgow, "desk-arc", "night-arc")
    prober = TransportProber(glasgow.parts.pool, glasgow.clock, {"email": server})
    await look(glasgow)
    await ask_for(glasgow, prober, 3 * PERIOD_S)
    for hub in ("desk-arc", "night-arc"):
        assert await episodes(glasgow, hub) == [("channel_failing", 3, "open")]
    server.fault = None
    await ask_for(glasgow, prober, PERIOD_S)
    for hub in ("desk-arc", "night-arc"):
        assert await episodes(glasgow, hub) == [("channel_failing", 3, "closed")]


async def test_a_transport_with_a_fault_of_ours_is_dead_and_stops_no_other(glasgow: World) -> None:
    server = MailServer(raises=RuntimeError("a bug"))
    await make_email_hubs(glasgow, "desk-arc")
    prober = TransportProber(glasgow.parts.pool, glasgow.clock, {"sms": MailServer(), "email": server})
    await look(glasgow)
    await ask_for(glasgow, prober, PERIOD_S)
    found: dict[str, Any] = (await health(glasgow))["desk-arc"]
    assert (found["failures"], found["last_error"]) == (1, "a fault of ours")


async def test_the_way_to_a_responder_is_asked_after_though_no_hub_uses_it_and_what_fails_is_told(
    glasgow: World,
) -> None:
    def told(channel: str) -> float | None:
        return glasgow.metric("telecare_responder_way_failing", channel=channel)

    mail, texts = MailServer(), MailServer(fault="Notify refuses us.")
    ways = ResponderWays(glasgow.parts.pool, glasgow.clock, {"email": mail, "sms": texts}, glasgow.parts.metrics)
    await add_responder(glasgow, "email")
    await ways.run_once()
    assert (mail.asked, texts.asked) == (0, 0), "nobody has said yet that they read what comes there"
    assert (told("email"), told("sms")) == (0, 0)

    await glasgow.database.execute("update registry.responder set verified_at = now()")
    for _ in range(PERIOD_S // 10):
        await ways.run_once()
        glasgow.clock.move(10)
    assert (mail.asked, texts.asked) == (1, 0)
    mail.fault = "The mail server does not answer."
    await ways.run_once()
    assert (told("email"), told("sms")) == (1, 0)
    mail.fault = None
    glasgow.clock.move(60)  # one that fails is asked again soon
    await ways.run_once()
    assert (mail.asked, told("email")) == (3, 0)

    mail.raises = RuntimeError("a bug")
    glasgow.clock.move(PERIOD_S)
    await ways.run_once()
    assert told("email") == 1
    await glasgow.database.execute("update registry.responder set removed_at = now()")
    await ways.run_once()
    assert told("email") == 0, "nobody relies on it any more"


async def add_responder(world: World, kind: str) -> None:
    """Of Glasgow, not verified yet."""
    await world.database.execute(
        "insert into registry.responder (responder_id, council_id, position, kind, name_encrypted, address_encrypted, created_at) "
        "values ($1, 'glasgow-city', 0, $2, $3, $3, now())",
        *(uuid4(), kind, world.vault.encrypt(b"Isla")),
    )
