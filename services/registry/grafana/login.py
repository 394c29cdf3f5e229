"""A login that may read what `telecare_grafana` may (`migrations/0043_managers_read.sql`)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import asyncpg

from services.chassis.postgres import Queries

if TYPE_CHECKING:
    from services.chassis.postgres import Connection

_QUERIES = Queries.beside(__file__)
_ITERATIONS = 4096  # PostgreSQL's own


class LoginRefusedError(Exception):
    """It can't be made, or must not be; the message says what to do."""


async def give_login(connection: Connection, name: str, verifier: str) -> str | None:
    """Make the login, or give the one that there is the password that `verifier` is of: the server is not told the password itself.

    `connection` is of the role that migrates. Returns what the superuser is to run, where that role may not keep the login out
    of the server's log and nobody has (`deploy/postgresql/superuser.sql` lets it). Raises LoginRefusedError where a login of that
    name may do more than read figures, or is another's.
    """
    try:
        async with connection.transaction():
            found = await connection.fetchrow(_QUERIES["login"], name)
            if found is not None and (found["powerful"] or found["member_of_others"]):
                raise LoginRefusedError(
                    f"the role {name} is there and may do more than read figures: choose another name"
                )
            make = "alter_login" if found is not None else "create_login"
            # A statement that makes a role takes no parameters: the database puts them in, and quotes them.
            for statement in (make, "grant_login", "bound_login"):
                await connection.execute(await connection.fetchval(_QUERIES[statement], name, verifier))
            return await _quieted(connection, name)
    except asyncpg.InsufficientPrivilegeError as error:
        raise LoginRefusedError(
            f"{str(error).splitlines()[0]}: as the database's superuser `drop role {name}`, and run this again"
        ) from None


async def _quieted(connection: Connection, name: str) -> str | None:
    statement: str | None = await connection.fetchval(_QUERIES["quiet_login"], name)
    if statement is None:
        return None
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return statement
    return None


def scram_verifier(password: str, *, salt: bytes) -> str:
    """What PostgreSQL keeps of a password (RFC 5803, SCRAM-SHA-256). ValueError for one that is not plain ASCII, or is empty."""
    if not password or not (password.isascii() and password.isprintable()):
        raise ValueError(
            "a password is of ASCII letters, digits and signs"
        )  # others would have to be prepared (RFC 4013)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"
