"""The canary is bound by the rule of every service: beyond loopback nothing goes in clear, unless it is said what protects it."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.canary.metered import Metered
from services.chassis.settings import SettingsError
from tests.blackbox import program
from tests.support.certificates import self_signed


def identity(tmp_path: Path, broker: str = "mqtt://127.0.0.1:1", device: str = "") -> str:
    file = tmp_path / "canary.json"
    a_device = {"shard": "alarms", "council_id": "canary", "device_id": "canary-alarms", "mqtt_url": device or broker}
    file.write_text(json.dumps({"hub_mqtt_url": broker, "devices": [a_device]}))
    return str(file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_its_metrics_beyond_loopback_want_tls_or_somebodys_word(tmp_path: Path, host: str) -> None:
    arguments = ("canary", "run", "--file", identity(tmp_path), "--host", host, "--port", "0")
    ended = await program.run(*arguments, settings={})
    assert ended.code == 2, ended.output
    for word in ("--host is beyond loopback", "--cert and --key", "TELECARE_TLS_ELSEWHERE=http"):
        assert word in ended.output
    ended = await program.run(*arguments, settings={"TLS_ELSEWHERE": "broker"})
    assert ended.code == 2, ended.output


@pytest.mark.parametrize(
    ("broker", "device", "said"),
    [
        ("mqtt://canary:open-sesame@broker.example", "", "the hub's URL in the canary's file"),
        ("mqtts://broker.example", "", "names no user"),
        ("mqtts://c:open-sesame@b.example", "mqtt://c:open-sesame@b.example", "the URL of canary-alarms"),
    ],
)
async def test_its_lines_to_a_broker_beyond_loopback_want_tls_and_a_user(
    tmp_path: Path, broker: str, device: str, said: str
) -> None:
    ended = await program.run("canary", "run", "--file", identity(tmp_path, broker, device), "--port", "0", settings={})
    assert ended.code == 2, ended.output
    assert said in ended.output
    assert "open-sesame" not in ended.output


async def test_a_way_that_there_is_not_is_refused_and_named(tmp_path: Path) -> None:
    arguments = ("canary", "run", "--file", identity(tmp_path), "--port", "0")
    ended = await program.run(*arguments, settings={"TLS_ELSEWHERE": "everything"})
    assert ended.code == 2, ended.output
    assert "'everything'" in ended.output


def test_by_tls_its_metrics_are_for_whoever_speaks_it(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    with Metered("127.0.0.1", 0, certificate, tmp_path / "server.key").serving(CollectorRegistry()) as url:
        trusting = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(url, context=trusting, timeout=30) as answer:
            assert answer.status == 200
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(url.replace("https://", "http://"), timeout=30)


@pytest.mark.parametrize("key", ["nowhere.key", "server.crt", None])
def test_a_key_that_does_not_fit_is_told(tmp_path: Path, key: str | None) -> None:
    certificate, _ = self_signed(tmp_path)
    metered = Metered("127.0.0.1", 0, certificate, None if key is None else tmp_path / key)
    with pytest.raises(SettingsError, match="--cert and --key"), metered.serving(CollectorRegistry()):
        pytest.fail("it must not serve")
