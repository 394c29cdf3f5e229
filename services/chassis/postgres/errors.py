"""Which database errors pass by themselves."""

import asyncpg

# Classes of SQLSTATE: 08 connection, 28 authorisation and 3D no such database (a password is being changed, a back-up put
# in its place: no reason for a running service to end), 40 serialisation and deadlock, 53 out of resources, 57 operator
# intervention (shutdown, statement cancelled by a time-out), 58 system error. PostgreSQL manual, appendix A.
_TRANSIENT_CLASSES = ("08", "28", "3D", "40", "53", "57", "58")


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later can succeed: the database is away, busy or restarting, not our statement wrong."""
    if isinstance(error, asyncpg.PostgresError):
        if isinstance(error, asyncpg.InvalidCachedStatementError):
            return True  # a migration has changed what it returns: in a transaction asyncpg plans it anew only at the next try
        if _finds_the_notify_queue_full(error):
            return True  # tried again the hint is left out: chassis.hint
        sqlstate = getattr(error, "sqlstate", None) or ""
        # 25006: a primary that has become a standby; 25P03: we stood still in a transaction; 55P03: a lock not got in time.
        return sqlstate[:2] in _TRANSIENT_CLASSES or sqlstate in {"25006", "25P03", "55P03"}
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg says "connection is closed" and "pool is closing" with this class, and wrong use of its API too.
        return "clos" in str(error) or "released" in str(error)
    if isinstance(error, PermissionError):
        return False  # asyncpg looks for keys in `~/.postgresql`: a HOME that we may not read stays so
    # InternalClientError is no InterfaceError: what asyncpg says of a connection that broke in the middle of an exchange.
    return isinstance(error, (asyncpg.InternalClientError, OSError, TimeoutError))


class Unencodable(Exception):
    """A row that asyncpg can't put on the wire."""


def is_data_error(error: BaseException) -> bool:
    """Whether a row is at fault: this one is refused again each time, the same statement with other rows may succeed.

    Class 22 data exception (asyncpg raises it too, for what it can't encode), 23 a constraint, 54 a limit of the program, as a row
    that is too big.
    """
    if isinstance(error, asyncpg.PostgresError):
        if _finds_the_notify_queue_full(error):
            return False
        return (getattr(error, "sqlstate", None) or "")[:2] in {"22", "23", "54"}
    return isinstance(error, Unencodable)


def _finds_the_notify_queue_full(error: asyncpg.PostgresError) -> bool:
    """Said at commit with the SQLSTATE of a row that is too big. The message may be translated; the name of the source is not."""
    return getattr(error, "sqlstate", None) == "54000" and getattr(error, "server_source_filename", None) == "async.c"
