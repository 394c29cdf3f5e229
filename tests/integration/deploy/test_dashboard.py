"""Every query of every panel is put to a real Prometheus that watches the running service, or to its database.

It shows what there is to see.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from services.chassis.postgres import Connection
from tests.blackbox import program
from tests.blackbox.box import Box
from tests.blackbox.installation import COUNCIL, Installation
from tests.integration.canary.conftest import Canary, run_canary, set_up_canary
from tests.integration.deploy.dashboards import Panel, Query, Statement, panels
from tests.integration.deploy.faults import aim, tell_of_past_weeks
from tests.integration.deploy.town import go_live, homes, installed
from tests.support import prometheus
from tests.support.alertmanager import alerting
from tests.support.certificates import self_signed
from tests.support.prometheus import Prometheus, Series
from tests.support.servers import Broker, DatabaseServer, until

# The first test makes them all, and each of its waits may take its time.
pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

SCOTLAND = ZoneInfo("Europe/London")
SEEN_WITHIN_S = 90.0  # what counts rows does so every ten seconds; whom it hears as promised, every half minute

# Devices: one lives, is live and presses; one is live and never heard; two more are registered. What was pressed and taken is
# of every priority; the smoke is taken by nobody.
TAKEN: Mapping[str, Mapping[str, object]] = {
    "1": {"kind": "fall"},
    "2": {"kind": "bed"},
    "3": {"kind": "personal_trigger", "status": "failure"},
    "4": {"kind": "personal_trigger", "status": "battery_low"},
}


# Devices of another council that became live in each of the last weeks, the earliest first: enough for a forecast, and for what it
# said four weeks ago.
PACE = (3, 5, 4, 6, 4, 5, 3, 6, 4, 5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    database_server: DatabaseServer, installations_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """`telecare up` that watches a disk and somebody's certificate as well, in its file and as it is presented."""
    directory = tmp_path_factory.mktemp("telecare")
    certificate, context = self_signed(directory)
    somebody = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = somebody.sockets[0].getsockname()[1]
    watched = {
        "DATABASE_DISK": str(directory),
        "WATCH_CERTIFICATES": str(certificate),
        "WATCH_LISTENERS": f"https://127.0.0.1:{port}?name=localhost&trust={certificate}",
    }
    async with somebody, installed(database_server, installations_broker, directory, **watched) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def canary(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Canary]:
    """Beside it, as a person starts it."""
    file = tmp_path_factory.mktemp("canary") / "canary.json"
    token = installation.settings["BOOTSTRAP_TOKEN"]
    settings = {"MQTT_URL": installation.broker.url, "API_URL": installation.api.url, "API_TOKEN": token}
    await set_up_canary(file, settings)
    async with run_canary(file, installation.api.session) as canary:
        await canary.until_more("delivered")
        yield canary


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watching(installation: Installation, canary: Canary) -> AsyncIterator[Prometheus]:
    """Prometheus, as shipped, that sees the installation as if it were two processes, the canary, and Alertmanager."""
    address = installation.api.url.removeprefix("http://")
    http = installation.api.session
    async with alerting(http) as manager:
        ports = {"alertmanager_port": manager.port, "canary_port": urlsplit(canary.url).port}
        async with prometheus.watching(address, "one", "standby", http=http, **ports) as server:

            async def seen() -> bool:
                return [series.last for series in await server.query("up")] == [1, 1, 1, 1]

            await until(seen, SEEN_WITHIN_S, what="the first scrape")
            yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def life(installation: Installation, watching: Prometheus) -> AsyncIterator[None]:
    """What the dashboards are to show."""
    await tell_of_past_weeks(installation, PACE)
    await aim(installation, 1000, by="2099-01-31")
    await promise(installation, every_s=4)
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


async def promise(installation: Installation, *, every_s: int) -> None:
    """How often devices are to be heard: one and a half of that must pass before anybody counts them. None is silent so soon."""
    promised = {"heartbeat_interval_s": every_s, "silent_after_s": 24 * 3600}
    answer = await installation.api.put("/api/v1/models/default", promised)
    assert answer.status == 200, answer


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
    await until(installation.ready, SEEN_WITHIN_S, what="the service to hear again")


async def ask(prometheus: Prometheus, query: Query) -> list[Series]:
    """As Grafana does."""
    return await (prometheus.query(query.expr) if query.instant else prometheus.query_range(query.expr))


@pytest.mark.parametrize("panel", [panel for panel in panels() if panel.queries], ids=str)
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
    ("Live", {"": sum(PACE) + 1}),  # one went live and was never heard
    ("Live devices of the target", {"": (sum(PACE) + 1) / 10}),
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grafana(installation: Installation) -> AsyncIterator[Connection]:
    """Logged in as the provisioned data source does, by the login that the command makes."""
    url = urlsplit(installation.settings["DATABASE_URL"])
    name = f"grafana_{secrets.token_hex(4)}"
    made = await program.run("grafana", "login", "--name", name, settings=installation.settings)
    assert made.code == 0, made.output
    connection = await asyncpg.connect(
        host=url.hostname, port=url.port, database=url.path.lstrip("/"), user=name, password=made.output.split()[0]
    )
    try:
        yield connection
    finally:
        await connection.close()
        owner = await asyncpg.connect(url.geturl())
        await owner.execute(f"drop role {name}")
        await owner.close()


@pytest.mark.parametrize("panel", [panel for panel in panels() if panel.statements], ids=str)
async def test_each_statement_of_the_panel_shows_something(grafana: Connection, panel: Panel) -> None:
    for statement in panel.statements:
        await until(partial(shows_figures, grafana, statement), SEEN_WITHIN_S)


async def shows_figures(connection: Connection, statement: Statement) -> bool:
    """Whether there are rows with a time, for curves, and in each column a number, or a name."""
    found = await connection.fetch(statement.sql)
    if not found:
        return False
    if statement.shape == "time_series":
        assert next(iter(found[0].keys())) == "time"
        assert [row["time"] for row in found] == sorted(row["time"] for row in found)
    return all(any(row[column] is not None for row in found) for column in set(found[0].keys()) - MAY_BE_EMPTY)


# What councils have to tell first.
MAY_BE_EMPTY = {"Target", "Of target", "Analogue left"}


async def test_the_weeks_are_those_that_were(grafana: Connection) -> None:
    (panel,) = (each for each in panels() if each.title == "Live, week by week")

    async def as_it_was() -> bool:
        weeks = await grafana.fetch(panel.statements[0].sql)
        live = [row["live"] for row in weeks]
        sums = [sum(PACE[: n + 1]) for n in range(len(PACE))]
        return live == [*sums, sums[-1] + 1] and {row["target"] for row in weeks} == {1000}

    await until(as_it_was, SEEN_WITHIN_S)
    *ends, latest = (row["time"].astimezone(SCOTLAND) for row in await grafana.fetch(panel.statements[0].sql))
    now = await grafana.fetchval("select now()")
    assert {f"{end:%A %H:%M}" for end in ends} == {"Monday 00:00"}  # which is when the week before is over
    assert ends[-1] <= latest <= now < ends[-1] + timedelta(days=7)
