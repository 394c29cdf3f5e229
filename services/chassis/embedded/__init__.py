"""Real servers from wheels, for `telecare up --embedded` and the tests: PostgreSQL 18 and the rumqttd broker.

No installation, no root, loopback only. What they can't do (TimescaleDB; a broker that remembers across its restart)
is told by `telecare doctor`; production runs the servers in `deploy/`.
"""

from services.chassis.embedded.broker import EmbeddedBroker
from services.chassis.embedded.postgres import EmbeddedPostgres
from services.chassis.embedded.process import ServerDidNotStartError

__all__ = ["EmbeddedBroker", "EmbeddedPostgres", "ServerDidNotStartError"]
