import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.run import Build, Process, running
from services.ingest.service import build as build_ingest
from services.registry.gate import gate
from services.registry.service import build
from tests.integration.registry.broker.conftest import server  # noqa: F401 - a fixture
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import Town, opened, settings_for
from tests.support.certificates import self_signed
from tests.support.servers import Broker, Database, free_port, until
from tests.support.stack import RealBroker


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for some seconds sends no unit away, and no question whether one may stay goes unanswered."""
    for patience in ("_HELLO_S", "_ANSWER_S", "_LOOK_UP_S"):
        monkeypatch.setattr(gate, patience, 25.0)


@pytest.fixture
async def gated(database: Database, server: RealBroker, tmp_path: Path) -> AsyncIterator[tuple[Secured, int]]:  # noqa: F811
    """A secured broker, and the port of the gate in front of it."""
    async with _gated(database, server, tmp_path) as gated:
        yield gated


@pytest.fixture
async def gated_and_heard(database: Database, server: RealBroker, tmp_path: Path) -> AsyncIterator[tuple[Secured, int]]:  # noqa: F811
    """The same, with ingest, which answers an alarm."""
    async with _gated(database, server, tmp_path, build_ingest) as gated:
        yield gated


@pytest.fixture
async def gated_by_tls(
    database: Database,
    server: RealBroker,  # noqa: F811
    tmp_path: Path,
) -> AsyncIterator[tuple[Secured, int, Path]]:
    """The same with TLS, on every address of this machine's loopback; and the certificate to be trusted."""
    certificate, _ = self_signed(tmp_path)
    tls = {"gate_cert": certificate, "gate_key": tmp_path / "server.key"}
    async with _gated(database, server, tmp_path, **tls) as (secured, port):
        yield secured, port, certificate


@contextlib.asynccontextmanager
async def _gated(
    database: Database,
    server: RealBroker,  # noqa: F811
    home: Path,
    *others: Build,
    **tls: Path,
) -> AsyncIterator[tuple[Secured, int]]:
    service, admin, port = url_of(SERVICE, server.port), url_of(ADMIN, server.port), free_port()
    settings = settings_for(database.url, service, home, admin).model_copy(
        update={"gate_listen": f"127.0.0.1:{port}", **tls}
    )
    async with (
        opened(database, service, server.port) as town,
        running(settings, [build, *others], clock=town.clock) as process,
    ):
        await town.ready(process)
        await _heard(town, process)
        yield Secured(town, server, Broker(server), settings, process.url), port


async def _heard(town: Town, process: Process) -> None:
    """Wait until ingest, if it runs here, listens: what is sent before is acknowledged, and heard by nobody."""

    async def listens() -> bool:
        shards = "select from chassis.shard where service = any ($1) and session_at is null"
        return not await town.rows(shards, [each.name for each in process.services])

    await until(listens, 60, what="every session to stand")
