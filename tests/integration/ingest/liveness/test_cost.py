"""What a heartbeat and a look cost: updates in place, no index of what a heartbeat changes, and nobody read who can't be due."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from services.ingest.domain.slices import PAGES
from services.ingest.liveness.health import look
from services.ingest.liveness.health.sql import QUERIES as HEALTH
from services.ingest.liveness.sql import QUERIES
from tests.integration.ingest.liveness.test_sweepers import a_crowd
from tests.integration.ingest.liveness.watch import Watch
from tests.support.servers import DatabaseServer, until

pytestmark = pytest.mark.usefixtures("no_housekeeping")

READINGS = {"battery_pct": 80, "mains": True, "signal_dbm": -70, "network": "lte", "cell_id": "1-2", "firmware": "4.2"}


@pytest.fixture
async def no_housekeeping(postgres_server: DatabaseServer) -> AsyncIterator[None]:
    """The server's own, of any table, rests: it would be counted, and while it analyses one of this database, for a moment, no
    VACUUM clears what was updated before: the next update finds no room on its page, and is not HOT.
    """
    server = await asyncpg.connect(postgres_server.admin_url)

    async def rests() -> bool:
        keepers = "select count(*) from pg_stat_activity where backend_type like 'autovacuum%'"
        return bool(await server.fetchval(keepers) == 0)

    try:
        await server.execute("alter system set autovacuum = off")
        await server.execute("select pg_reload_conf()")
        await until(rests, what="the server's housekeeping to rest")
        yield
    finally:
        await server.execute("alter system reset autovacuum")
        await server.execute("select pg_reload_conf()")
        await server.close()


async def settled(watch: Watch) -> None:
    """Nothing is left to be cleared, and the server knows of everybody."""
    await watch.database.execute("vacuum analyze ingest.liveness")


async def counted(watch: Watch, view: str, figures: str) -> int:
    """Of liveness, once every connection of the pool has ended, for then it has said what it did."""
    watch.beats.close()
    await watch.pool.expire_connections()
    async with watch.pool.acquire() as connection:
        pid = connection.get_server_pid()
    await watch.database.execute("select pg_stat_force_next_flush()")
    await until(lambda: _alone(watch, pid), what="the other connections to end")
    await watch.pool.execute("select pg_stat_force_next_flush()")
    sought = f"select {figures} from {view} where schemaname = 'ingest' and relname = 'liveness'"
    return int(await watch.database.fetchval(sought))


async def _alone(watch: Watch, pid: int) -> bool:
    others = "select count(*) from pg_stat_activity where application_name = 'telecare test' and pid <> $1"
    return bool(await watch.database.fetchval(others, pid) == 0)


async def test_every_update_of_a_heartbeat_is_hot(watch: Watch) -> None:
    """Once it has told all that it tells (that makes its row longer) and pages have settled."""
    await a_crowd(watch)
    await settled(watch)
    ids = [f"TC-{n}" for n in range(1, 1001)]
    await rounds(watch, ids, 3)
    before = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    await rounds(watch, ids, 4)
    after = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [4000, 4000]


async def test_every_update_of_one_that_is_heard_in_another_council_is_hot(watch: Watch) -> None:
    """Once its row is as long as it will be; and another place of as long a name is no reason for it to move."""
    await a_crowd(watch)
    await settled(watch)
    ids = [f"TC-{n}" for n in range(1, 1001)]
    await rounds(watch, ids, 3, council_id="moray")
    before = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    await rounds(watch, ids, 2, council_id="angus")
    after = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2000, 2000]
    assert await watch.database.fetchval("select count(*) from ingest.liveness where heard_in = 'angus'") == 1000


async def test_every_heartbeat_of_an_ailing_device_is_hot_and_so_are_verdicts_on_it(watch: Watch) -> None:
    """Once its row is as long as it will be."""
    await a_crowd(watch)
    await settled(watch)
    ids = [f"TC-{n}" for n in range(1, 1001)]
    await rounds(watch, ids, 2)
    await judged(watch, ids, 5)
    await rounds(watch, ids, 2)
    before = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    await rounds(watch, ids, 2)
    for pct in (80, 5):
        await judged(watch, ids, pct)
    after = [await counted(watch, "pg_stat_user_tables", figure) for figure in ("n_tup_upd", "n_tup_hot_upd")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [6000, 6000]


async def judged(watch: Watch, ids: list[str], pct: int) -> None:
    """A battery of each that is low, or no longer so."""
    await watch.hear(*ids, **READINGS | {"battery_pct": pct})
    await watch.database.execute("vacuum ingest.liveness")
    watch.clock.move(seconds=60)
    await watch.look()
    await watch.database.execute("vacuum ingest.liveness")
    low = await watch.database.fetchval("select count(*) from ingest.liveness where health ? 'battery_low'")
    assert low == (1000 if pct < 30 else 0)


async def rounds(watch: Watch, ids: list[str], count: int, council_id: str = "glasgow-city") -> None:
    """So many heartbeats of each, different from one to the next in whatever a heartbeat tells."""
    for n in range(count):
        watch.clock.move(seconds=60)
        await watch.hear(
            *ids,
            **READINGS | {"signal_dbm": -70 - n, "mains": bool(n % 2), "network": ("lte", "gsm")[n % 2]},
            council_id=council_id,
        )
        await watch.database.execute("vacuum ingest.liveness")


async def test_no_index_holds_what_a_heartbeat_changes(watch: Watch) -> None:
    changed = {"last_heard_at", "boot_id", "seq", "missed", "battery_pct", "mains", "mains_changed_at", "signal_dbm"}
    changed |= {
        "signal_average",
        "clock_behind_s",
        "network",
        "sim_operator",
        "cell_id",
        "firmware",
        "path_changes",
        "heard_in",
    }
    rows = await watch.database.fetch(
        "select pg_get_indexdef(indexrelid) as text from pg_index where indrelid = 'ingest.liveness'::regclass"
    )
    texts = [row["text"] for row in rows]
    assert texts
    assert [text for text in texts for column in changed if column in text] == []


async def test_a_look_reads_some_pages_at_a_time_and_the_silent_by_their_index(watch: Watch) -> None:
    await a_crowd(watch, 20_000)
    await watch.database.execute("update ingest.liveness set silent = true where device_id like '%99'")
    await watch.database.execute("analyze ingest.liveness")
    due_before, stable = [watch.clock.now()], [timedelta(minutes=10)]

    async def plan(name: str, *arguments: object) -> str:
        statement = await watch.database.prepare(f"explain {QUERIES[name]}")
        return "\n".join(row[0] for row in await statement.fetch(*arguments))

    assert "Tid Range Scan" in await plan("probe", (0, 0), (PAGES, 0), due_before, [], 1000)
    assert "Tid Range Scan" in await plan("count_heard", (0, 0), (PAGES, 0), due_before, due_before, [], [], [], [])
    assert "Tid Range Scan" in await plan("look_roughly", (0, 0), (PAGES, 0), due_before, False, ["fife"], [1])
    assert "Tid Range Scan" in await plan("due", (0, 0), (PAGES, 0), due_before, [], 2000)
    assert "Tid Scan" in await plan("due_at", [(0, 1), (0, 2)], due_before, [])
    assert "liveness_silent" in await plan("silent_page", "", 5000, stable, due_before)
    looked = await watch.database.prepare(f"explain {HEALTH['ailing']}")
    bounds = look._bounds(watch.clock.now())
    rows = await looked.fetch((0, 0), (PAGES, 0), [-110.0], *bounds)
    assert "Tid Range Scan" in "\n".join(row[0] for row in rows)


async def test_of_those_who_are_well_or_known_to_be_ill_none_is_read_for_their_health(watch: Watch) -> None:
    await a_crowd(watch)
    ids = [f"TC-{n}" for n in range(1, 1001)]
    await watch.hear(*ids[:500], **READINGS)
    await watch.hear(*ids[500:], **READINGS | {"mains": False, "network": "lte"})
    watch.clock.move(minutes=5)
    await watch.look()
    assert len(await watch.told()) == 0
    bounds = look._bounds(watch.clock.now() + timedelta(minutes=1))
    assert await watch.database.fetch(HEALTH["ailing"], (0, 0), (100_000, 0), [-110.0], *bounds) == []


async def test_where_nobody_can_be_due_nobody_is_looked_at(watch: Watch) -> None:
    await a_crowd(watch)
    await settled(watch)
    await watch.look()
    before = await counted(watch, "pg_statio_user_tables", "heap_blks_read + heap_blks_hit")
    for _ in range(10):
        watch.clock.move(seconds=2)
        await watch.look()
    read = await counted(watch, "pg_statio_user_tables", "heap_blks_read + heap_blks_hit") - before
    pages = await watch.database.fetchval("select pg_relation_size('ingest.liveness') / 8192")
    assert (
        read < pages / 2
    )  # whoever plans a statement looks at a page or two; ten looks would have read ten times as many
    watch.clock.move(seconds=581)
    assert len(await watch.look()) == 1000
