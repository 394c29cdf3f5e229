"""What a command does straight in the database, because no API could ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from services.chassis.settings import SettingsError, load_settings


def in_database(work: Callable[[Any], Awaitable[Any]], *, role: str | None = "telecare_registry") -> Any:
    """What `work` returns, on a connection of the registry's role, or (None) of whoever migrates.

    Raises SettingsError for a database that is not migrated.
    """
    from services.chassis.exposure import protected
    from services.chassis.postgres.migrate import missing
    from services.chassis.postgres.pool import connect

    async def run() -> Any:
        url = protected(load_settings()).database_url.get_secret_value()
        if names := await missing(url):
            raise SettingsError(
                f"the database lacks {len(names)} migration(s), {names[0]} first: run `telecare migrate`"
            )
        connection = await connect(url, name="telecare", role=role)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
