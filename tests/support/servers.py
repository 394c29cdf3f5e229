"""The brokers and databases that the tests run on: embedded, or (`TELECARE_TEST_STACK=real`) what production runs."""

import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from services import chassis
from services.chassis.embedded import EmbeddedBroker, EmbeddedPostgres
from services.chassis.embedded.cluster import PostgresCluster
from services.chassis.embedded.ports import LOOPBACK
from services.chassis.embedded.process import GuardedProcess, signal_all
from services.chassis.postgres.migrate import migrate
from tests.support.ports import free_port
from tests.support.proxy import TcpProxy
from tests.support.stack import RealBroker, RealPostgres
from tests.support.waiting import until

__all__ = ["Broker", "Database", "DatabaseServer", "TcpProxy", "execute_alone", "free_port", "real_stack", "until"]

_TEMPLATE = "telecare_template"
_OF_THE_DATABASE = Path(chassis.__file__).parent / "migrations" / "0061_temporary.sql"  # which is not copied with it
_ALONE_WITHIN_S = 240.0


def real_stack() -> bool:
    """Whether the tests run on the real stack; any value but `embedded` and `real` is a mistake."""
    stack = os.environ.get("TELECARE_TEST_STACK", "embedded")
    if stack not in {"embedded", "real"}:
        raise ValueError(f"TELECARE_TEST_STACK is 'embedded' or 'real', not {stack!r}")
    return stack == "real"


class _Server(Protocol):
    """What a server of either stack can do."""

    @property
    def url(self) -> str: ...
    @property
    def process(self) -> GuardedProcess: ...
    def start(self) -> None: ...
    def halt(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class _ClusterServer(_Server, Protocol):
    def initialise(self) -> Path: ...


class _BrokerServer(_Server, Protocol):
    port: int
    port_v311: int


_S = TypeVar("_S", bound=_Server)


class _Running(Generic[_S]):
    """A server as a test handles it."""

    def __init__(self, server: _S) -> None:
        self._server = server

    def start(self) -> None:
        """Start it, again on the same port and the same data, and return when it takes connections."""
        self._server.start()

    def stop(self) -> None:
        """Stop it cleanly; what it keeps is there at the next start."""
        self.resume()
        self._server.halt()

    def close(self) -> None:
        """Stop it for good, and leave nothing behind."""
        self.resume()
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL it and its children, as a power cut would."""
        self._server.kill()

    def pause(self) -> None:
        """SIGSTOP it and its children: it keeps its connections and answers nothing."""
        signal_all(self.processes(), signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        if self.running:
            signal_all(self.processes(), signal.SIGCONT)

    def processes(self) -> list[int]:
        """The ids of its processes, its own first."""
        return self._server.process.family()

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped or killed since."""
        try:
            return self._server.process.running
        except RuntimeError:
            return False


@dataclass(frozen=True)
class Database:
    """A migrated database of one test's own."""

    url: str
    name: str
    server: "DatabaseServer"


class DatabaseServer(_Running[_Server]):
    """PostgreSQL; each test gets a database of its own, copied from a template that is migrated once."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server)
        self._has_template = False

    @property
    def log(self) -> Path:
        """Where it writes down what happens."""
        assert isinstance(self._server, PostgresCluster)
        return self._server.log

    @property
    def admin_url(self) -> str:
        """Where the superuser connects."""
        return self._server.url

    def url_of(self, database: str) -> str:
        """The superuser's URL of that database."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    async def create_database(self) -> Database:
        """A fresh, migrated database."""
        if not self._has_template:
            await execute_alone(self.admin_url, f"CREATE DATABASE {_TEMPLATE}")
            await migrate(self.url_of(_TEMPLATE))
            self._has_template = True
        name = f"telecare_{uuid.uuid4().hex}"
        await execute_alone(self.admin_url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        await execute_alone(self.url_of(name), _OF_THE_DATABASE.read_text())
        return Database(url=self.url_of(name), name=name, server=self)

    async def drop(self, database: Database) -> None:
        """Drop it, whoever is still connected."""
        await execute_alone(self.admin_url, f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


async def execute_alone(admin_url: str, statement: str) -> None:
    """What makes or drops a database. The server gives whoever is in it still five seconds to go; a busy machine needs more."""
    connection = await asyncpg.connect(admin_url)

    async def done() -> bool:
        try:
            await connection.execute(statement)
        except asyncpg.ObjectInUseError:
            return False
        return True

    try:
        await until(done, _ALONE_WITHIN_S, what=statement)
    finally:
        await connection.close()


class Broker(_Running[_BrokerServer]):
    """An MQTT broker that starts empty."""

    host = LOOPBACK

    @property
    def url(self) -> str:
        """For clients that speak MQTT 5."""
        return self._server.url

    @property
    def port(self) -> int:
        """For clients that speak MQTT 5."""
        return self._server.port

    @property
    def port_v311(self) -> int:
        """For clients that speak MQTT 3.1.1; Mosquitto serves both on one port."""
        return self._server.port_v311

    def narrow(self, messages: int) -> None:
        """Start Mosquitto again, so that it keeps so many messages for each who is away, and tells of itself every second."""
        assert isinstance(self._server, RealBroker)
        self._server.narrow(messages)


def make_pristine_cluster() -> tuple[_Server, Path]:
    """A database cluster to copy, made once a session, and the server object that removes it when it is stopped."""
    server: _ClusterServer = RealPostgres() if real_stack() else EmbeddedPostgres()
    return server, server.initialise()


def make_database_server(pristine: Path) -> DatabaseServer:
    """A server, not yet started, on a copy of the cluster."""
    return DatabaseServer(RealPostgres(pristine=pristine) if real_stack() else EmbeddedPostgres(pristine=pristine))


def make_broker() -> Broker:
    """A broker, not yet started."""
    return Broker(RealBroker() if real_stack() else EmbeddedBroker())
