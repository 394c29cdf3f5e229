"""deploy/debian/install makes no new key where a database holds what only the old one reads."""

import re
import uuid

import asyncpg

from tests.support.servers import Database
from tests.support.stack import DEPLOY


async def test_the_installs_question_finds_what_a_new_key_would_not_read(database: Database) -> None:
    """The script takes a question that fails for a database that is new: so it is put here to one that is not."""
    (question,) = re.findall(r'^  stored="(.+)"$', (DEPLOY / "debian" / "install").read_text(), re.MULTILINE)
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("insert into registry.hub values ('clyde-arc', 'Clyde', now())")
        channel = (
            "insert into registry.hub_channel (channel_id, hub_id, kind, url, secret_encrypted, position) "
            "values ($1, 'clyde-arc', $2, $3, $4, 0)"
        )
        await connection.execute(channel, uuid.uuid4(), "mqtt", None, None)
        assert await connection.fetch(question) == []
        await connection.execute("delete from registry.hub_channel")
        await connection.execute(channel, uuid.uuid4(), "webhook", "https://clyde.example/", b"sealed")
        assert len(await connection.fetch(question)) == 1
    finally:
        await connection.close()
