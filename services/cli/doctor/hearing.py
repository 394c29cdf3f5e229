"""Whether somebody listens to every device that should be heard."""

from __future__ import annotations

import asyncpg

from services.alerts.domain.unheard import advice
from services.alerts.impaired.nobody import Nobody
from services.alerts.impaired.sql import QUERIES
from services.chassis.postgres.pool import connect
from services.chassis.settings import Settings
from services.cli.doctor.finding import Finding, good, wrong

_AREA = "hearing"


async def examine_hearing(settings: Settings) -> list[Finding]:
    """By the register and the shards' filters; whether a shard that was worked once is worked now, readiness says."""
    try:
        connection = await connect(settings.database_url.get_secret_value(), name="doctor", role="telecare_alerts")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        return []  # the database's own findings say so
    try:
        rows = await connection.fetch(QUERIES["shards"])
        nobody = list(await Nobody().listens(connection, rows, 0.0))
    except asyncpg.PostgresError:
        return []  # as does that of its migrations
    finally:
        await connection.close()
    if not nobody:
        return [good(_AREA, "a shard hears every council in which a device should be heard")]
    names = ", ".join(each.name for each in nobody)
    return [wrong(_AREA, f"nobody listens to {names}: nobody there is ever called silent", advice(nobody))]
