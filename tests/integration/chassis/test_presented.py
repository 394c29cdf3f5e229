"""What listeners really present: it is that which devices, hubs and browsers refuse, whatever lies in a file."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.chassis.settings import Settings, SettingsError, load_settings
from services.chassis.vitals.certificates import CertificateVitals
from services.chassis.vitals.listener import Listener, Look
from services.chassis.vitals.presented import PresentedVitals, listeners
from services.cli.doctor.presented import examine_presented
from tests.support.certificates import Authority

DAY_S = 86400
PRESENTED = "telecare_listener_certificate_expiry_timestamp_seconds"
FAULT = "telecare_listener_fault"
IN_A_FILE = "telecare_certificate_expiry_timestamp_seconds"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "trial")


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Somebody who listens, by TLS if there is a context; the port."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def listener(port: int, authority: Authority, name: str = "localhost") -> Listener:
    return Listener.parse(f"mqtts://127.0.0.1:{port}?name={name}&trust={authority.certificate}")


async def look(at: Listener) -> Look:
    return await asyncio.to_thread(at.look)


async def test_a_listener_that_goes_on_with_its_old_certificate_is_told_though_the_file_is_new(
    authority: Authority,
) -> None:
    certificate, key = authority.issue("broker", "localhost", good_for=dt.timedelta(days=2))
    context = context_of(certificate, key)
    async with serving(context) as port:
        metrics, broker = CollectorRegistry(), listener(port, authority)
        files, presented = CertificateVitals(metrics, [certificate]), PresentedVitals(metrics, [broker])

        async def days(name: str, **labels: str) -> float:
            await files.run_once()
            await presented.run_once()
            ends = metrics.get_sample_value(name, labels)
            assert ends is not None
            return (ends - dt.datetime.now(dt.UTC).timestamp()) / DAY_S

        authority.issue("broker", "localhost", good_for=dt.timedelta(days=300))  # renewed, and loaded by nobody
        assert await days(IN_A_FILE, file=str(certificate)) > 299
        assert 1 < await days(PRESENTED, listener=str(broker)) < 2

        context.load_cert_chain(certificate, key)
        assert await days(PRESENTED, listener=str(broker)) > 299


async def test_what_devices_would_refuse_is_told_with_why_and_when_it_ends_all_the_same(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "another").mkdir()
    another = Authority(tmp_path / "another", "another")
    metrics = CollectorRegistry()
    async with serving(context_of(*authority.issue("broker", "broker.example"))) as port:
        watched = {
            "wrong_name": listener(port, authority, "telecare.example"),
            "untrusted": listener(port, another, "broker.example"),
            None: listener(port, authority, "broker.example"),
        }
        for fault, each in watched.items():
            found = await look(each)
            assert found.fault == fault, found
            assert found.ends_at_s is not None
        wrong, right = watched["wrong_name"], watched[None]
        vitals = PresentedVitals(metrics, [wrong, right])
        await vitals.run_once()
    for each, fault, value in ((wrong, "wrong_name", 1), (wrong, "unseen", 0), (right, "wrong_name", 0)):
        assert metrics.get_sample_value(FAULT, {"listener": str(each), "fault": fault}) == value

    ends = metrics.get_sample_value(PRESENTED, {"listener": str(right)})
    await vitals.run_once()  # nobody is there any more
    assert metrics.get_sample_value(FAULT, {"listener": str(right), "fault": "unseen"}) == 1
    assert metrics.get_sample_value(PRESENTED, {"listener": str(right)}) == ends, "it is what will be back"


async def test_where_something_is_amiss_it_is_looked_at_again_each_minute_and_what_is_well_is_left_in_peace(
    authority: Authority,
) -> None:
    metrics = CollectorRegistry()
    refused, well = (context_of(*authority.issue(name, name)) for name in ("wrong.example", "localhost"))
    async with serving(refused) as mended, serving(well) as other:
        watched = listener(mended, authority), listener(other, authority)
        vitals = PresentedVitals(metrics, watched)

        def told(at: Listener, fault: str) -> float | None:
            return metrics.get_sample_value(FAULT, {"listener": str(at), "fault": fault})

        await vitals.run_once()
        assert [told(each, "wrong_name") for each in watched] == [1, 0]
        refused.load_cert_chain(*authority.issue("localhost", "localhost"))
        well.load_cert_chain(*authority.issue("wrong.example", "wrong.example"))
        await vitals.again()
        assert [told(each, "wrong_name") for each in watched] == [0, 0], "the second is looked at with the others"
        await vitals.run_once()
        assert [told(each, "wrong_name") for each in watched] == [0, 1]


async def test_the_doctor_says_what_is_presented_now_and_what_is_to_be_done(authority: Authority) -> None:
    soon, later = dt.timedelta(days=2), dt.timedelta(days=300)
    told: dict[str, str] = {}
    for good_for in (soon, later):
        context = context_of(*authority.issue("broker", "localhost", good_for=good_for))
        async with serving(context) as port:
            watched = f"mqtts://127.0.0.1:{port}?name=localhost&trust={authority.certificate}"
            strange = f"https://localhost:{port}"
            for found in await examine_presented(settings(watch_listeners=f"{watched},{strange}")):
                told[f"{good_for.days} {found.what.split(':')[0]}"] = f"{found.level} {found.advice}"
    assert told["2 mqtts"].startswith("wrong renew it")
    assert told["300 mqtts"] == "good None"
    assert told["300 https"].startswith("wrong put the whole chain in place")


async def test_one_that_has_ended_is_told_by_its_day(authority: Authority) -> None:
    async with serving(context_of(*authority.issue("broker", "localhost", good_for=-dt.timedelta(hours=1)))) as port:
        found = await look(listener(port, authority))
    assert found.fault is None
    assert found.ends_at_s is not None
    assert found.ends_at_s < dt.datetime.now(dt.UTC).timestamp()


async def test_who_speaks_in_clear_presents_nothing(authority: Authority) -> None:
    async with serving(None) as port:
        for scheme in ("https", "postgresql"):
            found = await look(Listener(scheme, "127.0.0.1", port, "localhost"))
            assert (found.ends_at_s, found.fault) == (None, "unseen")


def settings(**given: object) -> Settings:
    return load_settings(**({"database_url": "postgresql://127.0.0.1/x", "mqtt_url": "mqtt://127.0.0.1"} | given))


def named(found: Settings, own_url: str | None = None) -> set[str]:
    return {str(each) for each in listeners(found, own_url)}


def test_whom_we_go_to_by_tls_what_we_serve_and_what_is_named_is_looked_at() -> None:
    assert named(settings(), "http://127.0.0.1:8080") == set()
    found = settings(
        database_url="postgresql://u:p@db1.example,db2.example:5433/x?sslmode=verify-full&sslrootcert=/etc/ca.crt",
        mqtt_url="mqtts://telecare:p@broker.example",
        mqtt_admin_url="mqtts://keeper:p@broker.example",
        gate_listen="0.0.0.0:8884",
        gate_cert="/etc/gate.pem",
        watch_listeners="https://127.0.0.1?name=telecare.example&trust=/etc/ca.crt, https://telecare.example:8443",
    )
    assert named(found, "https://0.0.0.0:8080") == {
        "postgresql://db1.example:5432",
        "postgresql://db2.example:5433",
        "mqtts://broker.example:8883",
        "mqtts://127.0.0.1:8884",
        "https://127.0.0.1:8080",
        "https://telecare.example:443",
        "https://telecare.example:8443",
    }
    by_name = {str(each): each for each in listeners(found)}
    assert by_name["https://telecare.example:443"].host == "127.0.0.1"
    assert by_name["postgresql://db1.example:5432"].trust == Path("/etc/ca.crt")
    assert by_name["mqtts://127.0.0.1:8884"].name is None


@pytest.mark.parametrize("url", ["?sslmode=prefer", "", "?sslmode=require&host=/run/postgresql"])
def test_a_database_that_need_not_speak_tls_is_not_asked_for_a_certificate(url: str) -> None:
    host = "" if "host=" in url else "db.example"
    assert named(settings(database_url=f"postgresql://u:p@{host}/x{url}")) == set()


@pytest.mark.parametrize(
    "text",
    ["telecare.example", "smtp://x", "https://", "https://u:p@x", "https://x?ca=/y", "https://x:y", "https://x?y"],
)
def test_a_listener_that_is_none_is_refused_and_its_setting_named(text: str) -> None:
    with pytest.raises(SettingsError, match="TELECARE_WATCH_LISTENERS") as told:
        listeners(settings(watch_listeners=text))
    assert "u:p" not in str(told.value)
