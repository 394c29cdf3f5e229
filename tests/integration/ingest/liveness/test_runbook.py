"""The statements that the pages give to whoever is called: the migrated database takes them, and they answer what is asked."""

import re
from pathlib import Path

import asyncpg
import pytest

from services.chassis.postgres import Connection
from tests.support.servers import Database

PAGE = (Path(__file__).parents[4] / "docs" / "operations.md").read_text()


def statements() -> list[str]:
    """All that only ask, in the text and in blocks."""
    return re.findall(r"(?:`|```\n)(select [^`]*?);?\n?`", PAGE)


async def test_every_question_on_the_page_is_one_that_the_database_takes(
    database: Database, subtests: pytest.Subtests
) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        assert len(statements()) > 3
        for statement in statements():
            with subtests.test(statement):
                await connection.prepare(statement)
    finally:
        await connection.close()


async def test_the_runbook_of_a_silent_share_names_the_devices_of_that_council_that_are_silent(
    database: Database,
) -> None:
    (statement,) = re.findall(r"```\n(select .*?);\n```", PAGE.partition("### TelecareSilentShare\n")[2], re.DOTALL)[:1]
    connection = await asyncpg.connect(database.url)
    try:
        for device_id, council_id, hours, silent in (
            ("G-1", "glasgow-city", 1, True),
            ("G-2", "glasgow-city", None, True),
            ("G-3", "glasgow-city", 5, True),
            ("G-4", "glasgow-city", 0, False),
            ("M-1", "moray", 5, True),
        ):
            await in_use(connection, device_id, council_id, hours, silent=silent)
        found = await connection.fetch(statement)
        assert [row["device_id"] for row in found] == ["G-3", "G-1", "G-2"]
        assert {(row["model"], row["stage"], row["sim_operator"]) for row in found} == {("Careline 3", "live", "23410")}
    finally:
        await connection.close()


async def in_use(connection: Connection, device_id: str, council_id: str, hours: int | None, *, silent: bool) -> None:
    """On the register and live; heard so many hours ago, by the council of its topic, which need not be its own."""
    await connection.execute(
        "insert into registry.device (device_id, council_id, serial, model, stage, sim_operator, registered_at, changed_at) "
        "values ($1, $2, $1, 'Careline 3', 'live', '23410', now(), now())",
        device_id,
        council_id,
    )
    await connection.execute(
        "insert into ingest.liveness (device_id, council_id, last_heard_at, silent) "
        "values ($1, 'angus', now() - make_interval(hours => $2), $3)",
        device_id,
        hours,
        silent,
    )
