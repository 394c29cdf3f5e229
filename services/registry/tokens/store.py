"""Tokens in the database, as SHA-256 only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.access import Role
from services.chassis.audit import Entry, record
from services.chassis.http.access import token_digest
from services.chassis.postgres import Connection, Queries

_QUERIES = Queries.beside(__file__)

PREFIX = "tc_"
NAME_LENGTH_MAX = 100
# Actors in histories that are no token's: TELECARE_BOOTSTRAP_TOKEN's, and our own.
_RESERVED = frozenset({"bootstrap", "telecare"})
_RANDOM_BYTES = 32  # 43 characters, base64url


class TokenError(Exception):
    """A token can't be made as asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; the token itself is not."""

    access_token_id: UUID
    name: str
    role: Role
    hub_id: str | None
    councils: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def create_token(
    connection: Connection,
    *,
    name: str,
    role: Role,
    now: datetime,
    hub_id: str | None = None,
    councils: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    by: str = "command line",
) -> str:
    """Make a token and return it: the only time that it can be seen.

    A `hub` token is for one hub; `councils` limit an `engineer`, None is every council. Raises TokenError for anything else.
    """
    await _refuse_misfit(connection, name, role, hub_id, councils)
    if expires_at is not None and expires_at <= now:
        raise TokenError("a token that has expired already is of no use")
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    given = None if councils is None else sorted(set(councils))
    async with connection.transaction():
        await connection.execute(_QUERIES["lock_name"], name)
        if await connection.fetchval(_QUERIES["name_is_taken"], name, now):
            raise TokenError(
                f"there is a valid token {name} already: histories could not tell the two apart; revoke it first"
            )
        insert = _QUERIES["insert_token"]
        await connection.execute(insert, uuid4(), name, token_digest(token), role, hub_id, given, now, expires_at)
        rights = {"role": role, "hub_id": hub_id, "councils": given and given[:32]}
        await record(connection, _audited("token create", name, by, rights), now)
    return token


async def list_tokens(connection: Connection) -> list[Token]:
    """All tokens ever made, newest first."""
    return [Token(**row) for row in await connection.fetch(_QUERIES["tokens"])]


async def revoke_token(connection: Connection, token: str, *, now: datetime, by: str = "command line") -> int:
    """Revoke by id or name, and return how many. It is refused everywhere within 5 s, the time for which it is remembered."""
    async with connection.transaction():
        rows = await connection.fetch(_QUERIES["revoke_tokens"], token, now)
        for row in rows:
            await record(connection, _audited("token revoke", row["name"], by), now)
    return len(rows)


def _audited(action: str, name: str, by: str, rights: Mapping[str, Any] | None = None) -> Entry:
    """In the transaction of the fact: no token is made or revoked unseen."""
    return Entry("command line", by, action, "done", subject_kind="token", subject=name, detail=rights)


async def _refuse_misfit(
    connection: Connection, name: str, role: Role, hub_id: str | None, councils: Sequence[str] | None
) -> None:
    if not name.strip():
        raise TokenError("a token needs a name: it is the actor in every history")
    if len(name) > NAME_LENGTH_MAX or not name.isprintable() or name != name.strip():
        raise TokenError(
            f"a token's name is at most {NAME_LENGTH_MAX} printable characters, with no space before or after them"
        )
    if name in _RESERVED:
        raise TokenError(f"the name {name} is taken by the service itself: give another")
    if (role == "hub") != (hub_id is not None):
        raise TokenError("a hub's token names its hub, and no other token does")
    if councils is not None and (role != "engineer" or not councils):
        raise TokenError("councils limit an engineer's token, to one at least")
    if hub_id is not None and not await connection.fetchval(_QUERIES["hub_exists"], hub_id):
        raise TokenError(f"there is no hub {hub_id}")
    unknown = await connection.fetch(_QUERIES["unknown_councils"], councils or [])
    if unknown:
        raise TokenError(f"no such council: {', '.join(row['council_id'] for row in unknown)}")
