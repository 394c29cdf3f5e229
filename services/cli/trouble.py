"""What went wrong, in one line, where a person can put it right."""

from __future__ import annotations

import asyncpg

from services.chassis.postgres import is_transient
from services.chassis.postgres.url import DatabaseUrlError


def explain(error: Exception) -> str | None:
    """The line; None where the fault is ours, and a traceback tells more. Holds no password: no error's text does."""
    if isinstance(error, DatabaseUrlError):
        return f"TELECARE_DATABASE_URL is not usable: {error}"
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"{error}: check user and password in TELECARE_DATABASE_URL, and pg_hba.conf"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{error}: create it (createdb), then run `telecare migrate`"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{error}: `telecare migrate` takes a role that may make schemas, roles and extensions; the others, a member of ours"
    if is_transient(error):
        advice = "is PostgreSQL running, and do host and port in TELECARE_DATABASE_URL reach it?"
        return f"the database could not be asked ({type(error).__name__}: {error}): {advice}"
    return None
