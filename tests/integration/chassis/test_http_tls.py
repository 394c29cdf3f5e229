"""HTTP by TLS of our own: on both stacks, with the certificates that deploy/certificates makes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.chassis.http import HttpServer, ServerTls, create_app, serve
from services.chassis.run import running
from services.chassis.settings import Settings, SettingsError, load_settings
from tests.support.trial import certificates


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return certificates(tmp_path / "tls")


def settings(**given: object) -> Settings:
    return load_settings(database_url="postgresql://127.0.0.1:1/x", mqtt_url="mqtt://127.0.0.1:1", http_port=0, **given)


@asynccontextmanager
async def serving(tls: ServerTls) -> AsyncIterator[HttpServer]:
    app = create_app(title="telecare", services=[], metrics=CollectorRegistry())
    server = await serve(app, "127.0.0.1", 0, tls=tls.context)
    try:
        yield server
    finally:
        await server.stop()


async def shown(server: HttpServer, authority: Path) -> str:
    """The certificate that a new connection is shown, which must be of that authority."""
    return await asyncio.to_thread(
        ssl.get_server_certificate, (server.host, server.port), ca_certs=str(authority), timeout=60
    )


async def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(trial: Path) -> None:
    tls = ServerTls(trial / "http.crt", trial / "http.key")
    async with serving(tls) as server:
        assert server.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=trial / "authority.crt")
        async with aiohttp.ClientSession() as http, http.get(f"{server.url}/healthz", ssl=trusting) as answer:
            assert answer.status == 200
        first = await shown(server, trial / "authority.crt")
        certificates(trial)
        assert await shown(server, trial / "authority.crt") == first, "nobody has looked yet"
        await tls.loop.run_once()
        second = await shown(server, trial / "authority.crt")
        assert second != first

        whole = (trial / "http.crt").read_bytes()
        (trial / "http.crt").write_bytes(whole[:200])  # somebody is in the middle of copying it
        await tls.loop.run_once()
        assert await shown(server, trial / "authority.crt") == second
        (trial / "http.crt").write_bytes(whole)
        await tls.loop.run_once()
        assert await shown(server, trial / "authority.crt") == second

        key = (trial / "http.key").read_bytes()
        certificates(trial)
        (trial / "http.key").write_bytes((trial / "broker.key").read_bytes())  # not yet its own
        await tls.loop.run_once()
        assert await shown(server, trial / "authority.crt") == second
        (trial / "http.key").write_bytes(key)
        await tls.loop.run_once()
        assert await shown(server, trial / "authority.crt") != second


@pytest.mark.parametrize("missing", ["http_cert", "http_key"])
def test_a_certificate_without_its_key_is_told(trial: Path, missing: str) -> None:
    given = {"http_cert": trial / "http.crt", "http_key": trial / "http.key"}
    del given[missing]
    with pytest.raises(SettingsError, match="TELECARE_HTTP_CERT and TELECARE_HTTP_KEY go together"):
        ServerTls.from_settings(settings(**given))


@pytest.mark.parametrize("key", ["broker.key", "nowhere.key", "http.crt"])
def test_a_key_that_does_not_fit_is_told(trial: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="TELECARE_HTTP_CERT and TELECARE_HTTP_KEY are not usable"):
        ServerTls.from_settings(settings(http_cert=trial / "http.crt", http_key=trial / key))


async def test_nothing_starts_that_would_be_heard_in_clear() -> None:
    with pytest.raises(SettingsError, match="TELECARE_HTTP_HOST is beyond loopback"):
        async with running(settings(http_host="0.0.0.0"), []):
            pytest.fail("it started")
