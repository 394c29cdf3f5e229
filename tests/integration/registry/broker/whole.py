"""All three services on a broker that lets in only those whom the registry knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from services.alerts.service import build as alerts
from services.chassis.run import running
from services.ingest.service import build as ingest
from services.registry.service import build as registry
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import opened, settings_for
from tests.support.servers import Broker, Database, until
from tests.support.stack import RealBroker


@asynccontextmanager
async def whole_service(database: Database, server: RealBroker, data_dir: Path) -> AsyncIterator[Secured]:
    """Each under the one user that `telecare broker init` made for them."""
    service, admin = url_of(SERVICE, server.port), url_of(ADMIN, server.port)
    settings = settings_for(database.url, service, data_dir, admin)
    async with (
        opened(database, service, server.port) as town,
        running(settings, [ingest, alerts, registry], clock=town.clock) as process,
    ):
        await town.ready(process)
        yield Secured(town, server, Broker(server), settings, process.url)


async def ready(secured: Secured) -> None:
    """Wait until readiness says so."""

    async def is_ready() -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{secured.url}/readyz") as answer:
            return answer.status == 200

    await until(is_ready, 60, what="the service to be ready")
