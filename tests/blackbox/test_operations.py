"""Contract, "HTTP" and "Prometheus": what a load balancer and a scraper rely on."""

from pathlib import Path

import pytest
from aiohttp import ClientConnectionError

from tests.blackbox.api import Api
from tests.blackbox.box import PRIVATE
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.blackbox.program import Program
from tests.support.listed_metrics import LISTED, OF_THE_CANARY
from tests.support.servers import free_port, until


async def test_health_readiness_and_metrics_need_no_token(installation: Installation, api: Api) -> None:
    await until(installation.ready, what="to be ready: what other tests did to its hubs may keep it from that")
    for path in ("/healthz", "/metrics"):  # /readyz was asked without one, and may say no again after a pause
        assert (await api.by(None).get(path)).status == 200, path


async def test_without_anybody_to_tell_the_service_is_alive_and_not_ready(installation: Installation) -> None:
    answer = installation.unready_without_recipients
    assert answer.status == 503
    assert "No hub has a verified channel" in str(answer.body)  # and not the shard of hubs' actions, which is none yet


async def test_the_api_documents_itself(api: Api) -> None:
    assert (await api.by(None).get("/docs")).status == 200
    paths = (await api.by(None).get("/openapi.json")).body["paths"]
    assert {"/api/v1/devices", "/api/v1/alarms", "/api/v1/hubs", "/api/v1/councils"} <= paths.keys()


async def test_the_front_page_says_what_is_running_and_links_to_documents_and_metrics(api: Api) -> None:
    page = await api.by(None).get("/")
    assert (page.status, page.content_type) == (200, "text/html")
    for word in ("docs", "metrics", "ingest", "alerts", "registry", "console/"):
        assert word in page.body


@pytest.mark.parametrize("family", sorted(LISTED.keys() - OF_THE_CANARY))
async def test_each_metric_that_scrapers_rely_on_is_there_with_its_labels(
    installation: Installation, box: MakeBox, receiver: Receiver, family: str
) -> None:
    home = await box()
    home.beat()
    home.press()
    await receiver.told(home.device_id)
    alarm = await installation.alarm(home.device_id)
    await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})

    async def labels() -> bool:
        metrics = await installation.metrics()
        return family in metrics.families and metrics.labels(family) == LISTED[family]

    await until(labels, what=f"{family} with {LISTED[family]}")


async def test_what_the_canary_tells_is_named_here_too_with_where_it_is_to_be_found(installation: Installation) -> None:
    """Whoever looks through `/metrics` for what the contract lists finds every name."""
    family = (await installation.metrics()).families["telecare_canary_round_trip_seconds"]
    assert (family.type, family.samples) == ("histogram", [])
    assert "telecare canary" in family.documentation


async def test_metrics_of_ours_that_are_listed_bear_no_other_label_and_none_holds_a_device_id(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    homes = [await box(), await box(registered=False)]
    for home in homes:
        home.beat()
        home.press("kettle", text=PRIVATE)
        await receiver.told(home.device_id)

    metrics = await installation.metrics()

    for name, family in metrics.families.items():
        assert name not in LISTED or not family.samples or metrics.labels(name) == LISTED[name], name
        for sample in family.samples:
            assert not {home.device_id for home in homes} & set(sample.labels.values())
            assert PRIVATE not in str(sample.labels)


async def test_every_message_is_accounted_for(installation: Installation, box: MakeBox) -> None:
    home = await box()
    for payload in (b"", b"\xff", b"{}"):
        home.say("heartbeat", payload)
    presses = [home.press("fall", peripheral_id=f"belt-{number}") for number in range(5)]
    for press in presses:
        home.again(press)
        await home.receipt(press)

    async def reconciled() -> bool:
        metrics = await installation.metrics()

        def count(lane: str, *outcomes: str) -> float:
            return sum(metrics.value("telecare_messages_total", lane=lane, outcome=each) for each in outcomes)

        return all(
            0 < count(lane, "received") == count(lane, "stored", "duplicate", "quarantined")
            for lane in ("alarm", "heartbeat")
        )

    await until(reconciled, what="received = stored + duplicate + quarantined, with nothing in flight")


async def test_open_alarms_are_counted_by_priority_and_state(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    async def count(state: str) -> float:
        return (await installation.metrics()).value("telecare_alarms_open", priority="2", state=state)

    async def waits() -> bool:
        metrics = await installation.metrics()
        return metrics.value("telecare_oldest_unacknowledged_alarm_seconds", priority="2") > 0

    home = await box()
    before = {state: await count(state) for state in ("open", "acknowledged")}
    for number in range(3):
        home.press("chair", peripheral_id=str(number))
    alarm = await installation.alarm(home.device_id, peripheral_id="2")

    async def grown(state: str, by: int) -> bool:
        return await count(state) >= before[state] + by

    await until(lambda: grown("open", 3))
    await until(waits, what="the oldest of them to have waited")
    await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    await until(lambda: grown("acknowledged", 1))


async def test_deliveries_are_counted_and_timed_by_channel(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    async def counted() -> tuple[float, float]:
        metrics = await installation.metrics()
        timed = metrics.value("telecare_alarm_delivery_seconds_count", channel="webhook")
        return metrics.value("telecare_deliveries_total", channel="webhook", outcome="delivered"), timed

    before = await counted()
    home = await box()
    home.press()
    await receiver.told(home.device_id)

    async def grown() -> bool:
        return all(now > then for now, then in zip(await counted(), before, strict=True))

    await until(grown)


async def test_an_alarm_that_no_route_leads_from_reaches_every_hub_and_makes_the_service_unready(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    await installation.make_hub("anybody-arc")
    home = await box(council="highland")
    home.press()

    for hub in ("clyde-arc", "anybody-arc"):
        await receiver.told(home.device_id, hub=hub)

    async def counted() -> bool:
        return (await installation.metrics()).value("telecare_alarms_unroutable") >= 1

    await until(counted)
    await until(installation.unready)
    await installation.close_alarms(home.device_id)
    await until(installation.ready, what="to be ready again once somebody has dealt with it")


async def test_the_rollout_is_counted_by_council_and_stage(installation: Installation, box: MakeBox) -> None:
    await box(council="inverclyde")

    async def counted() -> bool:
        metrics = await installation.metrics()
        return metrics.value("telecare_devices", council="inverclyde", stage="registered") == 1

    await until(counted)
    assert (await installation.metrics()).value("telecare_rollout_target") == 1000


async def test_a_second_ingest_process_stands_by_is_ready_and_tells_nothing_twice(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    port = free_port()
    log = Path(installation.settings["DATA_DIR"]) / "standby.log"
    standby = Program("ingest", settings={**installation.settings, "HTTP_PORT": str(port)}, log=log)
    standby.start()

    async def ready() -> bool:
        try:
            async with installation.api.session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200
        except ClientConnectionError:
            return False

    try:
        await until(ready, 60, what="the standby to be ready")
        home = await box()
        press = home.press()
        await home.receipt(press, "notified")
        assert len(receiver.attempts(home.device_id)) == 1
        assert await standby.stop() == 0
    finally:
        standby.kill()
    assert (await installation.alarm(home.device_id))["event_count"] == 1
