"""Contract, "Settings": a command that was not told where to work says so, and tells no secret."""

import asyncio

import pytest

from tests.blackbox import program

COMMANDS: dict[str, list[str]] = {
    "migrate": ["migrate"],
    "up": ["up"],
    "ingest": ["ingest"],
    "alerts": ["alerts"],
    "registry": ["registry"],
    "simulate": ["simulate"],
    "token": ["token", "create", "nobody", "--role", "ops"],
    "doctor": ["doctor"],
}
PASSWORD = "open-sesame-4711"
URLS = {
    "DATABASE_URL": f"postgresql://telecare:{PASSWORD}@127.0.0.1:1/telecare",
    "MQTT_URL": f"mqtt://telecare:{PASSWORD}@127.0.0.1:1",
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_refuses_to_start_without_its_two_urls_and_names_the_missing_one(command: str) -> None:
    runs = [program.run(*COMMANDS[command], settings={name: url}) for name, url in URLS.items()]
    for (given, missing), finished in zip(
        [("DATABASE_URL", "MQTT_URL"), ("MQTT_URL", "DATABASE_URL")], await asyncio.gather(*runs), strict=True
    ):
        assert finished.code not in {0, None}
        assert f"TELECARE_{missing}" in finished.output
        assert f"TELECARE_{given}" not in finished.output
        assert PASSWORD not in finished.output
        assert "Traceback" not in finished.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://telecare:{PASSWORD}@127.0.0.1:1/telecare"),
        ("DATABASE_URL", f"postgresql://telecare:{PASSWORD}/half@127.0.0.1:1/telecare"),
        ("DATABASE_URL", PASSWORD),
        ("MQTT_URL", f"http://telecare:{PASSWORD}@127.0.0.1:1"),
        ("HTTP_HOST", "999.1.1.1"),
        ("HTTP_PORT", f"{PASSWORD}"),
        ("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8,everything"),
        ("LOG_FORMAT", "xml"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_named_and_not_repeated(name: str, value: str) -> None:
    finished = await program.run("up", settings={**URLS, name: value})
    assert finished.code != 0
    assert f"TELECARE_{name}" in finished.output
    assert PASSWORD not in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("command", ["migrate", "token"])
async def test_a_database_that_cannot_be_reached_is_told_in_a_line(command: str) -> None:
    finished = await program.run(*COMMANDS[command], settings=URLS)
    assert finished.code == 1
    assert "TELECARE_DATABASE_URL" in finished.output
    assert PASSWORD not in finished.output
    assert "Traceback" not in finished.output


async def test_the_demo_is_never_let_loose_on_a_real_database() -> None:
    finished = await program.run("up", "--demo", settings=URLS)
    assert finished.code != 0
    assert PASSWORD not in finished.output


async def test_an_mqtt_url_that_is_none_is_told_by_the_simulator_too() -> None:
    finished = await program.run("simulate", settings={**URLS, "MQTT_URL": f"http://telecare:{PASSWORD}@127.0.0.1:1"})
    assert finished.code == 2
    assert "TELECARE_MQTT_URL" in finished.output
    assert PASSWORD not in finished.output
    assert "Traceback" not in finished.output
