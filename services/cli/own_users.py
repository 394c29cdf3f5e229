"""`telecare simulate --provision`: before the boxes run, each comes by a credential of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from services.chassis.settings import SettingsError
from services.cli.api import api_address
from services.cli.terminal import say

if TYPE_CHECKING:
    from contracts.ids import DeviceId
    from services.chassis.mqtt import MqttUrl


def own_users(mqtt_url: MqttUrl, boxes: int, file: Path | None) -> Mapping[DeviceId, MqttUrl]:
    """Each box's own URL. Ends the command with one line, and exit code 1, where the service or the broker refuses."""
    from services.simulator.own_users import NotProvisioned, OwnUsers
    from services.simulator.population import Population
    from services.simulator.seed import Seeder
    from services.simulator.simulate import OWN_CONNECTIONS_MAX

    if boxes > OWN_CONNECTIONS_MAX:
        raise SettingsError(
            f"simulate --provision: at most {OWN_CONNECTIONS_MAX} boxes have a connection of their own; the others would share "
            "some, which no box's user at the broker may"
        )

    async def fetch(users: OwnUsers) -> None:
        if missing := users.missing(Population(boxes)):
            async with Seeder(*api_address()) as seeder:
                await users.fetch(seeder, missing, say)

    try:
        users = OwnUsers(mqtt_url, file)
        asyncio.run(fetch(users))
    except NotProvisioned as error:
        say(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None
    return users.urls()
