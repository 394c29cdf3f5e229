"""Connections borrowed from a pool for a bounded time, and given up as soon as nobody can say what state they are in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from services.chassis.postgres.errors import is_transient
from services.chassis.postgres.pool import ACQUIRE_TIMEOUT_S, Connection, Pool

_log = structlog.get_logger(__name__)


def is_usable_after(error: BaseException) -> bool:
    """Whether the connection that raised this can be used again: the server answered, and answered about our statement.

    After a time-out or a cancellation a statement may still be running, and asyncpg would wait for that, over a network
    that may be gone, before it gives the connection back.
    """
    return isinstance(error, asyncpg.PostgresError) and not is_transient(error)


@asynccontextmanager
async def borrow(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; closed without a word instead of returned after a failure that leaves its state unknown.

    Raises TimeoutError when none was free within a few seconds.
    """
    connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
    try:
        yield connection
    except BaseException as error:
        if not is_usable_after(error):
            _close(connection)
        raise
    finally:
        await pool.release(connection, timeout=ACQUIRE_TIMEOUT_S)


def _close(connection: Connection) -> None:
    """Without a word to the server, which may not hear it."""
    # A connection that the server has closed has left its pool by itself, and refuses every call.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


_REHEARSALS: Final = 6  # the server plans a statement anew for its first five runs, and keeps the plan of the sixth


class _Undo(Exception):
    """Ends a transaction of which nothing is to stay; the connection is well."""


class Line:
    """One connection, kept for a hot path: prepared statements and temporary tables stay. A new one after any failure."""

    def __init__(self, pool: Pool, *, on_open: str = "") -> None:
        """`on_open`: SQL that every new connection runs first."""
        self._pool = pool
        self._on_open = on_open
        self._connection: Connection | None = None
        self._rehearsed = False  # on this connection
        self._unfit = False  # a rehearsal failed by a fault of ours

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction on the line. One at a time."""
        connection = self._connection or await self._open()
        transaction = None
        try:
            transaction = connection.transaction()
            await transaction.start()
            yield connection
            await transaction.commit()
        except BaseException as error:
            if transaction is not None and (isinstance(error, _Undo) or is_usable_after(error)):
                await self._roll_back(transaction)
            else:
                self.drop()
            raise

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of one statement, committed when they are here: it is a transaction by itself, in one round trip."""
        connection = self._connection or await self._open()
        try:
            return await connection.fetch(query, *arguments)
        except BaseException as error:
            if not is_usable_after(error):
                self.drop()
            raise

    async def rehearse(self, play: Callable[[Connection], Awaitable[object]]) -> None:
        """Do what the line is kept for, and undo it: once for each connection, when there is nothing else to do.

        *Measured*: the first alarm on a connection waits 25 ms for the server to read its catalogue and plan, the next four
        twice as long as those that come after. A `play` that fails is said, and not tried again.
        """
        if self._unfit or (self._rehearsed and self._connection is not None):
            return
        try:
            for _ in range(_REHEARSALS):
                with suppress(_Undo):
                    async with self.transaction() as connection:
                        self._rehearsed = True
                        await play(connection)
                        raise _Undo
        except Exception as error:  # noqa: BLE001 - a rehearsal keeps nobody from the work itself
            if is_transient(error):
                return  # whoever works on the line says that
            self._unfit = True
            _log.exception("rehearsal_failed")

    def drop(self) -> None:
        """Close it without a word; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    async def _roll_back(self, transaction: asyncpg.transaction.Transaction) -> None:
        try:
            await transaction.rollback()
        except BaseException:
            self.drop()
            raise

    async def _open(self) -> Connection:
        connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            if self._on_open:
                await connection.execute(self._on_open)
        except BaseException:
            _close(connection)
            raise
        self._connection, self._rehearsed = connection, False
        return connection
