"""Hubs in the database. A channel's secret and address go in encrypted; only the address comes out, masked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from asyncpg import Record

from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.contacts import Contacts
from services.registry.domain.address import masked
from services.registry.domain.channels import MEDIA, Existing, Planned, Unfit, Wanted, plan
from services.registry.hubs.values import Channel, Hub, Put

_QUERIES = Queries.beside(__file__)

PREVIOUS_SECRET_LIFE: Final = timedelta(hours=24)
"""How long a secret that was replaced goes on signing beside the new one: a hub has a day to take the new one in."""


class HubStore:
    def __init__(self, pool: Pool, contacts: Contacts) -> None:
        self._pool = pool
        self._contacts = contacts

    async def page(
        self, after_at: datetime | None, after_id: str | None, limit: int, *, only: str | None, now: datetime
    ) -> list[Hub]:
        """The hubs made before that one, newest first; only that hub, if told."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["hubs_page"], after_at, after_id, only, limit)
            return await self._with_channels(connection, rows, now)

    async def get(self, hub_id: str, now: datetime) -> Hub | None:
        async with borrow(self._pool) as connection:
            return await self._get(connection, hub_id, now)

    async def put(
        self, hub_id: str, name: str, record_url_template: str | None, wanted: Sequence[Wanted], now: datetime
    ) -> Put | Unfit:
        """Make the hub, or make it as told: channels not named are removed."""
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["lock_hub"], hub_id)
            await connection.execute(_QUERIES["lock_channels"], hub_id)
            rows = {row["channel_id"]: row for row in await connection.fetch(_QUERIES["channels"], [hub_id])}
            planned = plan([self._existing(row) for row in rows.values()], wanted)
            if isinstance(planned, Unfit):
                return planned
            created: bool = await connection.fetchval(_QUERIES["put_hub"], hub_id, name, record_url_template, now)
            for position, each in enumerate(planned):
                await self._put_channel(connection, hub_id, position, each, rows.pop(each.channel_id, None), now)
            await connection.execute(_QUERIES["remove_channels"], list(rows), now)
            hub = await self._get(connection, hub_id, now)
        if hub is None:
            raise RuntimeError("a hub just written is not there")
        return Put(hub, created)

    async def _put_channel(
        self, connection: Connection, hub_id: str, position: int, planned: Planned, row: Record | None, now: datetime
    ) -> None:
        wanted = planned.wanted
        address = None if planned.address is None else self._contacts.seal(planned.address)
        secret = None if wanted.secret is None else self._contacts.seal(wanted.secret)
        if row is None:
            channel = (uuid4(), hub_id, wanted.kind, planned.url, address, secret, now if wanted.verified else None)
            await connection.execute(_QUERIES["add_channel"], *channel, position)
            return
        # An address that stays is not sealed anew: what can't be read any more would be lost.
        target = (planned.url, address if planned.moved else row["address_encrypted"])
        secrets = self._secrets(wanted.secret, secret, row, now)
        verified_at = _verified_at(planned, row["verified_at"], now)
        change = _QUERIES["change_channel"]
        await connection.execute(change, row["channel_id"], *target, *secrets, verified_at, position)
        if planned.moved:  # a code that is under way went to where it led before
            await connection.execute(_QUERIES["forget_code"], row["channel_id"])

    def _secrets(
        self, wanted: str | None, sealed: bytes | None, row: Record, now: datetime
    ) -> tuple[bytes | None, bytes | None, datetime | None]:
        """The secret, the one before it, and until when that holds."""
        current, previous, until = (
            row[name] for name in ("secret_encrypted", "previous_secret_encrypted", "previous_secret_until")
        )
        if sealed is not None and (known := self._contacts.reveal(current)) != wanted:
            # One that can't be read any more signs nothing, so it is not kept.
            return (sealed, current, now + PREVIOUS_SECRET_LIFE) if known is not None else (sealed, None, None)
        return (current, previous, until) if until is not None and now < until else (current, None, None)

    def _existing(self, row: Record) -> Existing:
        return Existing(row["channel_id"], row["kind"], row["url"], self._contacts.reveal(row["address_encrypted"]))

    async def _get(self, connection: Connection, hub_id: str, now: datetime) -> Hub | None:
        row = await connection.fetchrow(_QUERIES["hub"], hub_id)
        return None if row is None else (await self._with_channels(connection, [row], now))[0]

    async def _with_channels(self, connection: Connection, hubs: Sequence[Record], now: datetime) -> list[Hub]:
        channels = defaultdict[str, list[Channel]](list)
        for row in await connection.fetch(_QUERIES["channels"], [hub["hub_id"] for hub in hubs]):
            channels[row["hub_id"]].append(self._channel(row, now))
        return [Hub(**hub, channels=channels[hub["hub_id"]]) for hub in hubs]

    def _channel(self, row: Record, now: datetime) -> Channel:
        address, until = self._contacts.reveal(row["address_encrypted"]), row["previous_secret_until"]
        return Channel(
            channel_id=row["channel_id"],
            kind=row["kind"],
            url=row["url"],
            address=None if address is None else masked(MEDIA[row["kind"]], address),
            has_secret=row["secret_encrypted"] is not None,
            previous_secret_until=until if until is not None and now < until else None,
            verified=row["verified_at"] is not None,
        )


def _verified_at(planned: Planned, before: datetime | None, now: datetime) -> datetime | None:
    """Verified once, a channel keeps its day, unless it is told otherwise or leads elsewhere now."""
    if planned.wanted.verified is False:
        return None
    kept = None if planned.moved else before
    return now if planned.wanted.verified and kept is None else kept
