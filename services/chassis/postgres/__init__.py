"""PostgreSQL: bounded pools that act as one service's role, named queries, migrations, and telling a passing fault from a bug."""

from services.chassis.postgres.errors import is_transient
from services.chassis.postgres.pool import Connection, Pool, open_pool
from services.chassis.postgres.queries import Queries

__all__ = ["Connection", "Pool", "Queries", "is_transient", "open_pool"]
