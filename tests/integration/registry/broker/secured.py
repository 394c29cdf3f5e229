"""A town whose broker lets in only those whom the registry knows."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from services.chassis.mqtt import MqttUrl
from services.chassis.settings import Settings
from services.registry.broker.control import Control
from services.registry.identity.claims import IssuedClaim
from tests.integration.registry.identity.town import Town
from tests.support.outsider import Outsider, outsider
from tests.support.servers import Broker, until
from tests.support.stack import RealBroker

ADMIN = ("keeper", "password-of-the-keeper")
SERVICE = ("telecare", "password-of-the-services")


def url_of(who: tuple[str, str], port: int) -> str:
    return f"mqtt://{who[0]}:{who[1]}@127.0.0.1:{port}"


@dataclass
class Secured:
    town: Town
    server: RealBroker
    broker: Broker
    settings: Settings
    url: str = ""  # of the registry, where it runs in this process

    async def front_page(self) -> str:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/") as answer:
            return await answer.text()

    @property
    def port(self) -> int:
        return self.server.port

    async def known(self, username: str, *, disabled: bool = False) -> None:
        """Wait until the broker knows this user so."""

        async def there() -> bool:
            client = await self.client(username)
            return client is not None and client.get("disabled", False) is disabled

        await until(there, what=f"{username} to be known to the broker")

    async def unknown(self, username: str) -> None:
        async def gone() -> bool:
            return await self.client(username) is None

        await until(gone, what=f"{username} to be forgotten by the broker")

    async def client(self, username: str) -> dict[str, Any] | None:
        async with self.control() as control:
            (answer,) = await control.ask([{"command": "getClient", "username": username}])
        found: dict[str, Any] | None = answer.get("data", {}).get("client")
        return found

    async def role(self, name: str) -> dict[str, Any] | None:
        async with self.control() as control:
            (answer,) = await control.ask([{"command": "getRole", "rolename": name}])
        found: dict[str, Any] | None = answer.get("data", {}).get("role")
        return found

    async def meddle(self, **command: Any) -> None:
        """Somebody with the admin's password changes the register behind our back."""
        async with self.control() as control:
            await control.tell([command])

    def control(self) -> Any:
        return Control.open(MqttUrl.parse(url_of(ADMIN, self.port)))

    async def claim(self, device_id: str = "TC-1") -> IssuedClaim:
        claim = await self.town.claim(device_id)
        await self.told()
        return claim

    async def told(self, timeout_s: float = 30.0) -> None:
        """Wait until the broker was told of everything."""

        async def everything() -> bool:
            rows = await self.town.rows(
                "select from registry.broker_user where applied_version <> version and missing_since is null"
            )
            return not rows

        await until(everything, timeout_s, what="the broker to be told")

    async def provisioned(self, device_id: str, council: str = "glasgow-city") -> str:
        """A registered device that has exchanged its claim; its password."""
        await self.town.device(device_id, council)
        async with self.town.unit(await self.claim(device_id)) as unit:
            answer = await unit.exchange()
        assert answer["result"] == "accepted", answer
        password: str = answer["password"]
        return password

    @contextlib.contextmanager
    def outside(
        self, username: str | None, password: str | None, client_id: str | None = None, **how: bool
    ) -> Iterator[Outsider]:
        with outsider(self.port, username, password, client_id, **how) as one:
            yield one

    def service(self) -> Any:
        """One of ours, who hears what devices may publish."""
        return self.outside(*SERVICE, "witness")

    async def lets_in(self, username: str, password: str, client_id: str | None = None) -> bool:
        def try_it() -> bool:
            with self.outside(username, password, client_id) as one:
                return one.let_in

        return await asyncio.to_thread(try_it)

    def register_on_disk(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.register.read_text())
        return found
