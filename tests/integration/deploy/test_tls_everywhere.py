"""Broker, database and HTTP by TLS, with the certificates of a trial: from a press to a hub, and nothing in clear."""

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import psutil
import pytest

from services.chassis.mqtt import MqttUrl
from services.registry.broker.document import first_document
from services.simulator.provisioning import provision
from tests.blackbox import program
from tests.blackbox.api import Api, Metrics
from tests.blackbox.box import now
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import empty_database, registration, settings_for
from tests.blackbox.program import Program
from tests.support.certificates import Authority
from tests.support.outsider import outsider
from tests.support.servers import DatabaseServer, free_port, until
from tests.support.trial import broker_with_tls, certificates, database_with_tls, hand_over

pytestmark = pytest.mark.real_stack

_KEEPER, _SERVICES = "keeper:password-of-the-keeper", "telecare:password-of-the-services"
DEVICE = "TC-000123"


@dataclass(frozen=True)
class Town:
    """An installation whose every way is TLS."""

    api: Api
    receiver: Receiver
    settings: dict[str, str]
    authority: Path
    broker_port: int
    admin_url: str


def at_localhost(url: str, query: str = "") -> str:
    """By name, so that the name in the certificate is looked at."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace("127.0.0.1", "localhost"), query=query))


@asynccontextmanager
async def served(settings: dict[str, str], authority: Path) -> AsyncIterator[Api]:
    """`telecare up` with TLS of its own, ready."""
    up = Program("up", settings=settings, log=Path(settings["DATA_DIR"]) / "up.log")
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authority))
    async with aiohttp.ClientSession(connector=trusting) as http:
        api = Api(http, f"https://localhost:{settings['HTTP_PORT']}", settings["BOOTSTRAP_TOKEN"])

        async def answers() -> bool:
            assert up.running, up.log_tail()
            try:
                return (await api.get("/healthz")).status == 200
            except aiohttp.ClientConnectorCertificateError:
                raise
            except aiohttp.ClientConnectionError:
                return False

        up.start()
        try:
            await until(answers, 180, what="the service to answer by HTTPS")  # as long as it gives itself
            yield api
            assert await up.stop() == 0
        finally:
            up.kill()


@pytest.fixture
async def town(pristine_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    trial = certificates(tmp_path / "tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(trial / "trust.pem"))
    register = first_document(MqttUrl.parse(f"mqtt://{_KEEPER}@x"), MqttUrl.parse(f"mqtt://{_SERVICES}@x"))
    receiver = Receiver()
    await receiver.start()
    with database_with_tls(trial, pristine=pristine_cluster) as database, broker_with_tls(trial, register) as (_, port):
        async with empty_database(DatabaseServer(database)) as url:
            secure = at_localhost(url, f"sslmode=verify-full&sslrootcert={trial / 'authority.crt'}")
            settings = settings_for(secure, f"mqtts://{_SERVICES}@localhost:{port}", tmp_path) | {
                "MQTT_ADMIN_URL": f"mqtts://{_KEEPER}@localhost:{port}",
                "HTTP_HOST": "0.0.0.0",
                "HTTP_PORT": str(free_port()),
                "HTTP_CERT": str(trial / "http.crt"),
                "HTTP_KEY": str(trial / "http.key"),
            }
            migrated = await program.run("migrate", settings=settings)
            assert migrated.code == 0, migrated.output
            async with served(settings, trial / "authority.crt") as api:
                yield Town(api, receiver, settings, trial / "authority.crt", port, url)
    await receiver.stop()


async def test_a_press_goes_by_tls_from_the_box_to_the_hub_and_nothing_goes_in_clear(town: Town) -> None:
    hub = {"name": "Clyde", "channels": [town.receiver.channel("clyde-arc")]}
    assert (await town.api.put("/api/v1/hubs/clyde-arc", hub)).status == 201
    assert (await town.api.put("/api/v1/councils/glasgow-city/routing", {"hubs": ["clyde-arc"]})).status == 200
    registered = await town.api.post("/api/v1/devices", registration(DEVICE, "glasgow-city"))
    assert registered.status == 201
    await until(lambda: _ready(town.api), 60, what="readiness")

    press = {"boot_id": "by-tls", "seq": 1, "sent_at": now(), "kind": "fall"}
    box = await _own_credential(town)
    with outsider(town.broker_port, box.username, box.password, DEVICE, ca=town.authority) as connected:
        connected.publish(f"telecare/v1/devices/glasgow-city/{DEVICE}/alarm", json.dumps(press).encode())
        told = await town.receiver.told(DEVICE)
    assert told.data["event"]["boot_id"] == "by-tls"

    # The database: each connection of ours is encrypted, and there are some.
    connection = await asyncpg.connect(town.admin_url)
    try:
        clear = "select application_name, ssl from pg_stat_activity join pg_stat_ssl using (pid)"
        ours = [row for row in await connection.fetch(clear) if row["application_name"].startswith("telecare ")]
    finally:
        await connection.close()
    assert ours
    assert all(row["ssl"] for row in ours)

    await until(lambda: _sees_what_is_presented(town), 60, what="a handshake with each listener")

    examined = await program.run("doctor", settings=town.settings)
    said = " ".join(examined.output.split())
    assert examined.code == 0, examined.output
    assert "the certificate of HTTP is good until" in said
    assert "a stranger is not let in" in said


async def test_http_answers_nobody_who_speaks_in_clear_or_trusts_another_authority(town: Town, tmp_path: Path) -> None:
    plain = town.api.url.replace("https://", "http://")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"{plain}/healthz")
        other = ssl.create_default_context(cafile=Authority(tmp_path, "another").certificate)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(f"{town.api.url}/healthz", ssl=other)


@pytest.mark.parametrize("what", ["database", "broker"])
async def test_a_server_of_another_authority_is_not_spoken_to(
    town: Town, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = Authority(tmp_path, "another").certificate
    settings = dict(town.settings)
    if what == "database":
        settings["DATABASE_URL"] = settings["DATABASE_URL"].replace(str(town.authority), str(another))
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(another))
    examined = await program.run("doctor", settings=settings)
    assert examined.code == 1
    said = " ".join(examined.output.split())
    assert f"WRONG {what} no connection (SSLCertVerificationError" in said, examined.output


async def test_a_broker_whose_certificate_names_another_host_is_said_to_by_name(town: Town) -> None:
    """As any real one did to who asked for it by a name that only containers know."""
    settings = town.settings | {"MQTT_URL": town.settings["MQTT_URL"].replace("@localhost:", "@127.1:")}
    assert settings["MQTT_URL"] != town.settings["MQTT_URL"]
    examined = await program.run("doctor", settings=settings)
    assert examined.code == 1
    said = " ".join(examined.output.split())
    assert "certificate is not valid for '127.1'" in said, examined.output
    assert "its certificate must name 127.1" in said


async def test_a_renewed_certificate_is_presented_after_a_reload_and_whoever_was_connected_stays(
    tmp_path: Path,
) -> None:
    """As deploy/debian/install does it: new files in the places of the old, and SIGHUP."""
    trial = certificates(tmp_path / "tls")
    register = first_document(MqttUrl.parse(f"mqtt://{_KEEPER}@x"), MqttUrl.parse(f"mqtt://{_SERVICES}@x"))
    name, _, password = _SERVICES.partition(":")
    topic = "telecare/v1/devices/+/+/alarm"
    with (
        broker_with_tls(trial, register) as (broker, port),
        outsider(port, name, password, "before", ca=trial / "authority.crt") as before,
    ):
        assert before.may_subscribe(topic)
        first = await _presented(port)
        certificates(trial)
        for kind in ("crt", "key"):
            hand_over(trial / f"broker.{kind}", broker.directory, "mosquitto")
        assert await _presented(port) == first, "it reads nothing by itself"
        (pid,) = (each for each in broker.process.family() if psutil.Process(each).name() == "mosquitto")
        os.kill(pid, signal.SIGHUP)

        async def renewed() -> bool:
            return await _presented(port) != first

        await until(renewed, 60, what="the new certificate")
        assert (trial / "broker.crt").read_text().startswith(await _presented(port))
        assert before.is_connected
        assert before.may_subscribe(topic), "on the connection that it had"
        with outsider(port, name, password, "after", ca=trial / "authority.crt") as after:
            assert after.let_in


async def _presented(port: int) -> str:
    """The certificate that the broker shows to whoever comes, PEM."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


async def _sees_what_is_presented(town: Town) -> bool:
    """Whether the service has been shown the certificate of broker, database and its own HTTP, and finds fault with none."""
    metrics = Metrics((await town.api.by(None).get("/metrics")).body)
    port = urlsplit(town.settings["DATABASE_URL"]).port
    own = f"https://127.0.0.1:{town.settings['HTTP_PORT']}"
    watched = {f"mqtts://localhost:{town.broker_port}", f"postgresql://localhost:{port}", own}
    ends = metrics.families.get("telecare_listener_certificate_expiry_timestamp_seconds")
    faults = metrics.families.get("telecare_listener_fault")
    if ends is None or faults is None or {each.labels["listener"] for each in ends.samples} != watched:
        return False
    assert {each.value for each in faults.samples} == {0}
    return len(faults.samples) == 3 * len(watched)


async def _ready(api: Api) -> bool:
    return (await api.by(None).get("/readyz")).status == 200


async def _own_credential(town: Town) -> MqttUrl:
    """The box's own, which it fetches with its claim, by TLS as well."""
    claimed = await town.api.post(f"/api/v1/devices/{DEVICE}/claim")
    assert claimed.status in {200, 201}, claimed
    broker = MqttUrl("localhost", town.broker_port, tls=True)
    async with asyncio.timeout(60):
        return await provision(broker, DEVICE[::-1], claimed.body["claim"]["code"], repeat_s=1.0)
