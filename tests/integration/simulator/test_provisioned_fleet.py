"""`telecare simulate --provision` against the running service, on the brokers of either stack."""

import json
from pathlib import Path

import pytest

from services.alerts.service import build as alerts
from services.chassis.run import running
from services.ingest.service import build as ingest
from services.registry.service import build as registry
from tests.blackbox import program
from tests.integration.registry.identity.town import OPS, settings_for
from tests.support.servers import Broker, Database

FLEET = ("simulate", "--boxes", "3", "--for", "2s", "--interval", "1", "--provision")


async def test_boxes_are_registered_fetch_their_credentials_and_are_heard_as_registered(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "boxes.json"
    async with running(settings_for(database.url, broker.url, tmp_path), [ingest, alerts, registry]) as process:
        settings = {"MQTT_URL": broker.url, "DATABASE_URL": database.url, "API_URL": process.url, "API_TOKEN": OPS}
        ran = await program.run(*FLEET, "--credentials", str(file), settings=settings)
        assert ran.code == 0, ran.output
        assert "3 of 3 boxes have a credential of their own" in ran.output
        assert len(json.loads(file.read_text())) == 3


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        (("--boxes", "501"), None, "at most 500 boxes"),
        (("--credentials", "{file}"), "no JSON", "holds no credentials of boxes"),
        (("--credentials", "{file}/there"), "{}", "boxes.json/there"),
        ((), None, "could not be asked"),
    ],
)
async def test_what_can_not_be_is_told_in_one_line(
    arguments: tuple[str, ...], content: str | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "boxes.json"
    if content is not None:
        file.write_text(content)
    settings = {
        "MQTT_URL": "mqtt://127.0.0.1:1",
        "DATABASE_URL": "postgresql://127.0.0.1:1/t",
        "API_URL": "http://127.0.0.1:1",
        "API_TOKEN": "t",
    }
    ended = await program.run(*FLEET, *(each.format(file=file) for each in arguments), settings=settings)
    assert ended.code in {1, 2}
    assert ended.output.count("\n") == 1, ended.output
    assert said in ended.output


async def test_credentials_without_provisioning_are_refused() -> None:
    settings = {"MQTT_URL": "mqtt://127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1:1/t"}
    ended = await program.run("simulate", "--credentials", "x", settings=settings)
    assert (ended.code, "--provision" in ended.output) == (2, True)
