"""Routings and policies in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeAlias

from asyncpg import Record

from contracts.policy import DEFAULT_POLICY_ID, Policy
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)


class _Left(Enum):
    AS_IT_IS = "as it is"


AS_IT_IS: Final = _Left.AS_IT_IS
AsItIs: TypeAlias = Literal[_Left.AS_IT_IS]


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy as it was laid down, once and for ever. `default`: of no council in particular."""

    policy_id: int
    version: int
    default: bool
    created_at: datetime
    created_by: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Routing:
    """Who takes a council's alarms, in which order, and by which policy."""

    council_id: str
    hubs: list[str]
    technical_hub: str | None
    policy: PolicyVersion


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be; what is AS_IT_IS stays. A technical hub of None: the first hub takes degraded alarms too."""

    hubs: Sequence[str] | AsItIs = AS_IT_IS
    technical_hub: str | AsItIs | None = AS_IT_IS
    policy: Policy | AsItIs = AS_IT_IS


@dataclass(frozen=True, slots=True)
class UnknownHubs:
    """A routing names hubs that do not exist; nothing was changed."""

    hub_ids: Sequence[str]


class RoutingStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, council_id: str) -> Routing | None:
        async with borrow(self._pool) as connection:
            return await _get(connection, council_id)

    async def put(self, council_id: str, change: Change, *, actor: str, now: datetime) -> Routing | UnknownHubs | None:
        """Change a council's routing; None when there is no such council. The policy in force again makes no new version."""
        async with borrow(self._pool) as connection, connection.transaction():
            if await connection.fetchval(_QUERIES["lock_council"], council_id) is None:
                return None
            unknown = await connection.fetch(_QUERIES["unknown_hubs"], _named(change))
            if unknown:
                return UnknownHubs([row["hub_id"] for row in unknown])
            if change.hubs is not AS_IT_IS:
                await connection.execute(_QUERIES["clear_routing"], council_id)
                await connection.execute(_QUERIES["put_routing"], council_id, change.hubs)
            if change.technical_hub is not AS_IT_IS:
                await connection.execute(_QUERIES["put_technical_hub"], council_id, change.technical_hub)
            if change.policy is not AS_IT_IS and change.policy != (await _in_force(connection, council_id)).policy:
                body = change.policy.model_dump_json()
                await connection.execute(_QUERIES["add_policy"], council_id, body, now, actor)
            return await _get(connection, council_id)

    async def policies(self, council_id: str, before: str | None, limit: int) -> list[PolicyVersion] | None:
        """The council's own versions before that one, latest first; None when there is no such council."""
        async with borrow(self._pool) as connection:
            if await connection.fetchrow(_QUERIES["routing"], council_id) is None:
                return None
            rows = await connection.fetch(_QUERIES["policies_page"], council_id, before, limit)
        return [_version(row) for row in rows]


def _named(change: Change) -> list[str]:
    hubs = [] if change.hubs is AS_IT_IS else list(change.hubs)
    technical = change.technical_hub
    return list(dict.fromkeys(hubs if technical is AS_IT_IS or technical is None else [*hubs, technical]))


async def _get(connection: Connection, council_id: str) -> Routing | None:
    row = await connection.fetchrow(_QUERIES["routing"], council_id)
    return None if row is None else Routing(**row, policy=await _in_force(connection, council_id))


async def _in_force(connection: Connection, council_id: str) -> PolicyVersion:
    row = await connection.fetchrow(_QUERIES["policy_in_force"], council_id, DEFAULT_POLICY_ID)
    if row is None:
        raise RuntimeError("the default policy, which a migration laid down, is not there")
    return _version(row)


def _version(row: Record) -> PolicyVersion:
    return PolicyVersion(
        policy_id=row["policy_id"],
        version=row["version"],
        default=row["council_id"] is None,
        created_at=row["created_at"],
        created_by=row["created_by"],
        policy=Policy.model_validate_json(row["body"]),
    )
