"""Every query of every panel is put to a real Prometheus that watches the running service: it shows what there is to see."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.blackbox.box import Box
from tests.blackbox.installation import COUNCIL, Installation
from tests.integration.deploy.dashboards import Panel, Query, panels
from tests.integration.deploy.town import go_live, homes
from tests.support.prometheus import Prometheus, Series
from tests.support.servers import until

pytestmark = [pytest.mark.real_stack, pytest.mark.asyncio(loop_scope="module")]

SEEN_WITHIN_S = 25.0  # what counts rows does so every ten seconds

# Devices: one lives, is live and presses; one is live and never heard; two more are registered. What was pressed and taken is
# of every priority; the smoke is taken by nobody.
TAKEN: Mapping[str, Mapping[str, object]] = {
    "1": {"kind": "fall"},
    "2": {"kind": "bed"},
    "3": {"kind": "personal_trigger", "status": "failure"},
    "4": {"kind": "personal_trigger", "status": "battery_low"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def life(installation: Installation, watching: Prometheus) -> AsyncIterator[None]:
    """What the dashboard is to show."""
    async with homes(installation, 4) as (home, silent, *_):
        for live in (home, silent):
            await go_live(installation, live)
        home.beat(battery_pct=90)
        home.say("heartbeat", b"no heartbeat")
        home.send("status", {"state": "online"})
        await take_alarms(installation, home)
        await home.receipt(home.press("smoke"), "notified")
        await lose_the_broker(installation)
        yield


async def take_alarms(installation: Installation, home: Box) -> None:
    """Press, and let an operator take each."""
    for number, fields in TAKEN.items():
        await home.receipt(home.press(**fields, peripheral_id=number), "notified")  # type: ignore[arg-type]  # kind is a str
        alarm = await installation.alarm(home.device_id, peripheral_id=number)
        path = f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge"
        assert (await installation.api.post(path, {"operator": "morag"})).status == 200
        assert str(alarm["priority"]) == number


async def lose_the_broker(installation: Installation) -> None:
    """A gap, and we hear again."""
    await asyncio.to_thread(installation.broker.kill)
    await asyncio.to_thread(installation.broker.start)
    await until(installation.ready, 20, what="the service to hear again")


async def ask(prometheus: Prometheus, query: Query) -> list[Series]:
    """As Grafana does."""
    return await (prometheus.query(query.expr) if query.instant else prometheus.query_range(query.expr))


@pytest.mark.parametrize("panel", panels(), ids=str)
async def test_each_query_of_the_panel_shows_something(watching: Prometheus, panel: Panel) -> None:
    for query in panel.queries:

        async def shown(query: Query = query) -> list[Series]:
            return [series for series in await ask(watching, query) if series.tells_something]

        found = await until(shown, SEEN_WITHIN_S, what=f"data for {query.expr}")
        for series in found:
            assert query.legend_labels == series.labels.keys(), (
                "the legend must tell the series apart, by labels they have"
            )


READINGS: list[tuple[str, Mapping[str, float]]] = [
    ("Open alarms", {"": 1}),
    ("Unroutable", {"": 0}),
    ("Hearing", {"": 0}),
    ("Alarms not closed, by priority", {"1": 2, "2": 1, "3": 1, "4": 1, "5": 0}),
    ("Priority 1 taken in time, 24 h", {"": 1}),
    ("Silent devices by council", {COUNCIL: 0, "moray": 0}),
    ("Live", {"": 1}),  # one went live and was never heard
    ("Live devices of the target", {"": 0.1}),
    ("Devices by stage", {"live": 2, "registered": 2, "withdrawn": 0}),
    ("Live devices by council", {COUNCIL: 2}),
]


@pytest.mark.parametrize(("title", "expected"), READINGS, ids=[title for title, _ in READINGS])
async def test_the_panel_shows_what_is_so_though_two_processes_tell_it(
    watching: Prometheus, title: str, expected: Mapping[str, float]
) -> None:
    """Every process counts the same rows: two of them, or a standby, must not double a figure."""
    (panel,) = (each for each in panels() if each.title == title)

    async def shown() -> bool:
        for query in panel.queries:
            found = {" ".join(series.labels.values()): series.last for series in await ask(watching, query)}
            if not expected.items() <= found.items():
                return False
        return True

    await until(shown, SEEN_WITHIN_S, what=f"{title} to show {expected}")


async def test_a_gap_in_the_session_is_seen_in_the_count_of_gaps(watching: Prometheus) -> None:
    (panel,) = (each for each in panels() if each.title == "Session gaps in 24 h")

    async def seen() -> bool:
        return (await watching.query(panel.queries[0].expr))[0].last >= 1

    await until(seen, SEEN_WITHIN_S)
