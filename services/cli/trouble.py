"""What went wrong, in a line, where a person can put it right."""

from __future__ import annotations

import errno

import asyncpg

from services.chassis.embedded.process import ServerDidNotStartError
from services.chassis.postgres import is_transient
from services.chassis.postgres.migrate import MigrationError
from services.chassis.postgres.url import DatabaseUrlError

# The first that fits; PostgreSQL's own words come before it.
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "check user and password in TELECARE_DATABASE_URL, and pg_hba.conf",
    ),
    (asyncpg.InvalidCatalogNameError, "create it (createdb), then run `telecare migrate`"),
    (
        asyncpg.InsufficientPrivilegeError,
        "`telecare migrate` takes a role that may make schemas, roles and extensions; the others, a member of ours",
    ),
)


def explain(error: Exception) -> str | None:
    """The line, or a few; None where the fault is ours, and a traceback tells more. Holds no password: no error's text does."""
    for kind, advice in _ADVICE:
        if isinstance(error, kind):
            return f"{str(error).splitlines()[0]}: {advice}"  # the others are details
    match error:
        case ServerDidNotStartError() | MigrationError():
            told = str(error)
        case DatabaseUrlError():
            told = f"TELECARE_DATABASE_URL is not usable: {error}"
        case OSError(errno=errno.EADDRINUSE):
            told = f"{error.strerror}: choose another with TELECARE_HTTP_PORT"
        case OSError(filename=str(name)):  # asyncpg looks into `~/.postgresql`, too
            told = f"{error.strerror}: {name}: HOME and TELECARE_DATA_DIR are to be directories that we may use"
        case _ if is_transient(error):
            advice = "is PostgreSQL running, and do host and port in TELECARE_DATABASE_URL reach it?"
            told = f"the database could not be asked ({type(error).__name__}: {error}): {advice}"
        case _:
            return None
    return told
