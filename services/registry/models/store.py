"""Models of devices in the database."""

from __future__ import annotations

from datetime import datetime

from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.model import Model, Promise

_QUERIES = Queries.beside(__file__)


class ModelStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, after: str | None, limit: int) -> list[Model]:
        """The models whose names follow `after`, in order."""
        async with borrow(self._pool) as connection:
            return [Model(**row) for row in await connection.fetch(_QUERIES["models_page"], after, limit)]

    async def get(self, model: str) -> Model | None:
        async with borrow(self._pool) as connection:
            row = await connection.fetchrow(_QUERIES["model"], model)
        return None if row is None else Model(**row)

    async def put(self, model: str, promise: Promise, *, actor: str, now: datetime) -> Model:
        """Write down what a model promises, instead of what was there."""
        fields = [getattr(promise, name) for name in Promise.__slots__]
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["put_model"], model, *fields, now, actor)
            row = await connection.fetchrow(_QUERIES["model"], model)
        if row is None:
            raise RuntimeError("a model just written is not there")
        return Model(**row)

    async def delete(self, model: str) -> None:
        """Forget it, but for the default."""
        async with borrow(self._pool) as connection:
            await connection.execute(_QUERIES["delete_model"], model)
