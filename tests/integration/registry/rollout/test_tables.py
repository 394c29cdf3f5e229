"""The rollout as a table for a spreadsheet."""

import csv
import io

from tests.blackbox.api import Answer
from tests.integration.registry.rollout.life import MONDAY, count, live
from tests.integration.registry.running import Registry


def rows(answer: Answer) -> list[dict[str, str]]:
    assert (answer.status, answer.content_type) == (200, "text/csv"), answer
    return list(csv.DictReader(io.StringIO(answer.body)))


async def test_councils_are_a_table_in_which_nothing_is_a_formula(registry: Registry) -> None:
    await live(registry, "TC-1")
    await registry.ops.put(
        "/api/v1/councils/fife", {"telecare_users": 10, "source": "=HYPERLINK(1)", "as_of": "2026-10-01"}
    )
    await count(registry)
    answer = await registry.ops.get("/api/v1/rollout", format="csv")
    table = {row["council_id"]: row for row in rows(answer)}
    assert len(table) == 32
    fife = table["fife"]
    assert (fife["live"], fife["live_share"], fife["stage_live"], fife["analogue_left"]) == ("1", "0.1", "1", "")
    assert (fife["telecare_users_source"], fife["telecare_users_as_of"]) == ("'=HYPERLINK(1)", "2026-10-01")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="telecare-rollout-20')


async def test_the_history_is_a_table_by_week_council_and_stage(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await count(registry)
    registry.clock.advance(7 * 86_400)
    table = rows(await registry.ops.get("/api/v1/rollout/history", format="csv"))
    live_rows = [row for row in table if row["stage"] == "live"]
    assert [(row["week"], row["devices"], row["entered"], row["complete"]) for row in live_rows] == [
        ("2026-09-14", "1", "0", "False"),
        ("2026-09-07", "1", "1", "True"),
    ]
    assert {row["council_id"] for row in table} == {"fife"}


async def test_who_accepts_csv_and_says_no_format_gets_it(registry: Registry) -> None:
    async def kind(accept: str, **query: str) -> str:
        headers = {"Authorization": f"Bearer {registry.ops.token}", "Accept": accept}
        async with registry.ops.session.get(
            f"{registry.ops.url}/api/v1/rollout", headers=headers, params=query
        ) as answer:
            return answer.content_type

    assert await kind("text/csv") == "text/csv"
    assert await kind("text/csv", format="json") == "application/json"
    assert await kind("*/*") == "application/json"
    assert await kind("application/json, text/csv;q=0.5") == "application/json"
