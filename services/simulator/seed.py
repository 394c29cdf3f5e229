"""Makes an installation ready for a simulated fleet, through the HTTP API only: a hub, routes, devices that are live."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from contracts.ids import CouncilId, HubId
from services.simulator.population import DeviceIdentity

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_REQUESTS_MAX: Final = 8
_DETAIL_CHARS_MAX: Final = 300


class SeedFailed(Exception):
    """The API refused, and says why; or it could not be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChannel:
    """The webhook of a demo hub. Its network must be among the server's `TELECARE_WEBHOOK_ALLOW_CIDRS` when it is private."""

    hub_id: HubId
    name: str
    webhook_url: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Later:
    """The service has been asked for too much, and is to be asked again in so many seconds."""

    s: float


class Seeder:
    """`async with Seeder(base_url, ops_token) as seeder:`. Everything may be done again: the same again changes nothing."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = aiohttp.ClientSession(
            base_url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=False
        )
        self._slots = asyncio.Semaphore(_REQUESTS_MAX)

    async def seed(self, hub: HubChannel, devices: Sequence[DeviceIdentity]) -> None:
        """The hub first, then who is routed to it, then the boxes: at no moment is a live box without a hub."""
        await self.make_hub(hub)
        councils = dict.fromkeys(device.council_id for device in devices)
        await self.route(list(councils), hub.hub_id)
        await self.bring_live(devices)

    async def make_hub(self, hub: HubChannel) -> None:
        """A hub with one verified webhook; an `ops` token may say that it is."""
        channel = {"kind": "webhook", "url": hub.webhook_url, "secret": hub.secret, "verified": True}
        await self._call("PUT", f"/api/v1/hubs/{hub.hub_id}", {"name": hub.name, "channels": [channel]})

    async def route(self, councils: Sequence[CouncilId], hub_id: HubId) -> None:
        """All alarms of these councils go to this hub."""
        for council in councils:
            await self._call("PUT", f"/api/v1/councils/{council}/routing", {"hubs": [hub_id]})

    async def bring_live(self, devices: Sequence[DeviceIdentity]) -> None:
        """Register them and put them live, a few at a time."""
        try:
            async with asyncio.TaskGroup() as group:
                for device in devices:
                    group.create_task(self._bring_live(device))
        except ExceptionGroup as failures:  # the first failure ended the others
            raise failures.exceptions[0] from None

    async def register_and_claim(self, device: DeviceIdentity) -> str:
        """Its claim, which it may exchange once; whatever it had before is void then.

        Where somebody else's device is registered under its id: SeedFailed, and nothing changes.
        """
        async with self._slots:
            await self._register(device)
            issued = await self._call("POST", f"/api/v1/devices/{device.device_id}/claim", {})
        return str(issued["claim"]["code"])

    async def _bring_live(self, device: DeviceIdentity) -> None:
        async with self._slots:
            await self._register(device)
            await self._call("POST", f"/api/v1/devices/{device.device_id}/go-live", {"reason": "simulated device"})

    async def _register(self, device: DeviceIdentity) -> None:
        body = {
            "device_id": device.device_id,
            "council_id": device.council_id,
            "serial": device.serial,
            "model": device.model,
            "postcode_district": device.postcode_district,
            "sim_operator": device.sim_operator,
            "installation_ref": device.installation_ref,
        }
        await self._call("POST", "/api/v1/devices", body)

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """What is answered; as soon as the service takes it, if it says that it has been asked for too much."""
        while True:
            answer = await self._ask(method, path, body)
            if not isinstance(answer, _Later):
                return answer
            await asyncio.sleep(answer.s)

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        try:
            async with self._http.request(method, path, json=body) as response:
                if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                    return _Later(float(response.headers.get("Retry-After", "1")))
                if response.status >= 300:
                    detail = (await response.text())[:_DETAIL_CHARS_MAX]
                    raise SeedFailed(f"{method} {path} was answered {response.status}: {detail}")
                return await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SeedFailed(f"{method} {path} could not be asked: {type(error).__name__}: {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
