"""Whether what is stored encrypted can be read: with another key than it was stored under, nobody is told of an alarm."""

from __future__ import annotations

import asyncpg

from services.alerts.parts import ROLE
from services.alerts.sealed import ADVICE, unreadable
from services.alerts.store import QUERIES
from services.chassis.postgres.pool import connect
from services.chassis.secrets import Vault
from services.chassis.settings import Settings, SettingsError
from services.cli.doctor.finding import Finding, good, wrong

_AREA = "secrets"


async def examine_sealed(settings: Settings) -> list[Finding]:
    """One look at what people are told by. A database that is away, or not migrated, is others' to tell."""
    try:
        vault = Vault.from_settings(settings)
        connection = await connect(settings.database_url.get_secret_value(), name="doctor", role=ROLE)
    except (SettingsError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        return []
    try:
        stored = len(await connection.fetch(QUERIES["sealed"]))
        fault = await unreadable(connection, vault)
    except asyncpg.PostgresError:
        return []
    finally:
        await connection.close()
    if fault is not None:
        return [wrong(_AREA, fault, ADVICE)]
    # Of nothing it says nothing: on a host anew the dump is yet to come.
    return [good(_AREA, f"the key reads all that is stored to tell people by ({stored})")] if stored else []
