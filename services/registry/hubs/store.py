"""Hubs in the database. A channel's secret goes in encrypted, and comes out nowhere here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID, uuid4

from asyncpg import Record

from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import Vault

_QUERIES = Queries.beside(__file__)

ChannelKind: TypeAlias = Literal["webhook", "mqtt"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a hub. It counts once verified. Its secret is never shown."""

    channel_id: UUID
    kind: ChannelKind
    url: str | None
    has_secret: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class Hub:
    """An alarm receiving centre, its channels in the order given."""

    hub_id: str
    name: str
    created_at: datetime
    channels: list[Channel]


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A channel as it shall be. A secret or a verification of None leaves that of the channel with this kind and URL."""

    kind: ChannelKind
    url: str | None = None
    secret: str | None = None
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """The hub as it is now, and whether it is new."""

    hub: Hub
    created: bool


@dataclass(frozen=True, slots=True)
class SecretsMissing:
    """These channels (counted from nought) are new and have no secret; nothing was changed."""

    positions: Sequence[int]


class HubStore:
    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def page(self, after_at: datetime | None, after_id: str | None, limit: int, *, only: str | None) -> list[Hub]:
        """The hubs made before that one, newest first; only that hub, if told."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["hubs_page"], after_at, after_id, only, limit)
            return await _with_channels(connection, rows)

    async def get(self, hub_id: str) -> Hub | None:
        async with borrow(self._pool) as connection:
            return await _get(connection, hub_id)

    async def put(self, hub_id: str, name: str, wanted: Sequence[WantedChannel], now: datetime) -> Put | SecretsMissing:
        """Make the hub, or make it as told: channels not named are removed. No two of `wanted` have one kind and URL."""
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["lock_hub"], hub_id)
            existing = {(row["kind"], row["url"]): row["channel_id"] for row in await _rows(connection, [hub_id])}
            missing = [at for at, each in enumerate(wanted) if _lacks_secret(each) and _key(each) not in existing]
            if missing:
                return SecretsMissing(missing)
            created: bool = await connection.fetchval(_QUERIES["put_hub"], hub_id, name, now)
            for position, each in enumerate(wanted):
                await self._put_channel(connection, hub_id, position, each, existing.pop(_key(each), None), now)
            await connection.execute(_QUERIES["remove_channels"], list(existing.values()), now)
            hub = await _get(connection, hub_id)
        if hub is None:
            raise RuntimeError("a hub just written is not there")
        return Put(hub, created)

    async def _put_channel(
        self,
        connection: Connection,
        hub_id: str,
        position: int,
        wanted: WantedChannel,
        channel_id: UUID | None,
        now: datetime,
    ) -> None:
        secret = None if wanted.secret is None else self._vault.encrypt(wanted.secret.encode())
        if channel_id is not None:
            change = _QUERIES["change_channel"]
            await connection.execute(change, channel_id, secret, wanted.verified, now, position)
            return
        verified_at = now if wanted.verified else None
        add = _QUERIES["add_channel"]
        await connection.execute(add, uuid4(), hub_id, wanted.kind, wanted.url, secret, verified_at, position)


def _key(wanted: WantedChannel) -> tuple[str, str | None]:
    return wanted.kind, wanted.url


def _lacks_secret(wanted: WantedChannel) -> bool:
    return wanted.kind == "webhook" and wanted.secret is None


async def _get(connection: Connection, hub_id: str) -> Hub | None:
    row = await connection.fetchrow(_QUERIES["hub"], hub_id)
    return None if row is None else (await _with_channels(connection, [row]))[0]


async def _with_channels(connection: Connection, hubs: Sequence[Record]) -> list[Hub]:
    channels = defaultdict[str, list[Channel]](list)
    for row in await _rows(connection, [hub["hub_id"] for hub in hubs]):
        webhook = row["kind"] == "webhook"
        verified = row["verified_at"] is not None
        channels[row["hub_id"]].append(Channel(row["channel_id"], row["kind"], row["url"], webhook, verified))
    return [Hub(hub["hub_id"], hub["name"], hub["created_at"], channels[hub["hub_id"]]) for hub in hubs]


async def _rows(connection: Connection, hub_ids: Sequence[str]) -> list[Record]:
    return await connection.fetch(_QUERIES["channels"], hub_ids)
