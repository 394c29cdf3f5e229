"""Which errors of the database are waited out, and which are bugs."""

import asyncpg
import pytest

from services.chassis.postgres import is_transient
from services.chassis.postgres.errors import is_data_error

PASSING = [
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout"),
    asyncpg.InvalidCachedStatementError("cached statement plan is invalid due to a database schema change"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    asyncpg.InvalidPasswordError("password authentication failed"),  # it is being changed
    asyncpg.InvalidCatalogNameError("database does not exist"),  # a back-up is being put in its place
    ConnectionRefusedError(),
    TimeoutError(),
]
BUGS = [
    asyncpg.UndefinedTableError("relation does not exist"),
    asyncpg.NotNullViolationError("null value"),
    asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"),
    PermissionError(
        13, "Permission denied", "/home/someone/.postgresql/postgresql.key"
    ),  # a HOME that we may not read stays so
    ValueError(),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_database_that_is_away_busy_or_was_killed_is_waited_for(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_waiting_mends_no_mistake_of_ours(error: Exception) -> None:
    assert not is_transient(error)


def of_a_limit(source: str) -> asyncpg.PostgresError:
    """As the server says it, in whatever language."""
    fields = {"S": "ERREUR", "C": "54000", "M": "une limite", "F": source, "L": "1", "R": "f"}
    error: asyncpg.PostgresError = asyncpg.PostgresError.new(fields)
    assert isinstance(error, asyncpg.ProgramLimitExceededError)
    return error


def test_a_notify_queue_that_is_full_is_no_fault_of_the_row_and_passes() -> None:
    full = of_a_limit("async.c")
    assert is_transient(full)
    assert not is_data_error(full)


@pytest.mark.parametrize("source", ["hio.c", "nbtutils.c"])
def test_a_row_that_is_too_big_is_at_fault_each_time(source: str) -> None:
    too_big = of_a_limit(source)
    assert is_data_error(too_big)
    assert not is_transient(too_big)
