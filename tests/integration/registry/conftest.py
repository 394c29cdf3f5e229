"""The registry, served for real on a port of its own over a fresh database."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.chassis.http import create_app, serve
from services.chassis.mqtt import MqttUrl, Publisher
from services.chassis.service import Runtime
from services.chassis.settings import load_settings
from services.registry.service import build
from tests.blackbox.api import Api
from tests.integration.registry.running import MovedClock, Registry
from tests.support.servers import Database


@pytest.fixture
async def registry(database: Database, tmp_path: Path) -> AsyncIterator[Registry]:
    """The registry; `registry.ops` calls it with the bootstrap token."""
    chosen = {
        "database_url": database.url,
        "mqtt_url": "mqtt://127.0.0.1:1",
        "bootstrap_token": "bootstrap-token-of-this-test",
        "secret_key": "a passphrase of this test",
        "webhook_allow_cidrs": "127.0.0.0/8",
        "data_dir": tmp_path,
    }
    settings = load_settings(**chosen)
    clock, metrics = MovedClock(), CollectorRegistry()
    mqtt_url = MqttUrl.parse("mqtt://127.0.0.1:1")
    runtime = Runtime(settings, clock, metrics, mqtt_url, Publisher(mqtt_url, "test"), "test")
    service = await build(runtime)
    server = await serve(create_app("telecare", [service], metrics), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        ops = Api(session, server.url, "bootstrap-token-of-this-test")
        yield Registry(ops, clock, service, metrics, database, chosen)
    await server.stop()
    assert service.close is not None
    await service.close()
