"""A simulated hub that is told by webhook and answers over the HTTP API."""

import asyncio
import base64
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from contracts.notification import WEBHOOK_ID_HEADER
from contracts.vocabulary import Outcome
from services.chassis.embedded.ports import LOOPBACK, PortClaim, claim_port
from services.simulator.desk import Answer, Desk, HubActions, HubConfig
from services.simulator.logbook import Logbook

__all__ = ["HttpActions", "HubConfig", "Manners", "SimulatedHub"]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_AGAIN: Final = {408, 425, 429}  # with 5xx, what the contract calls transient


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How it receives webhooks; it may change while it listens.

    A share is answered `fail_status`, of a share the connection is reset, and a share hangs for `hang_s` and is answered then.
    """

    fail_share: float = 0.0
    fail_status: int = 500
    reset_share: float = 0.0
    hang_share: float = 0.0
    hang_s: float = 30.0


class SimulatedHub:
    """`async with SimulatedHub(HubConfig()) as hub:` listens on a free port of loopback until the block ends.

    What is signed and readable goes into `logbook`, whatever the `manners`; nobody acts on it until `staff`.
    """

    def __init__(self, config: HubConfig | None = None, *, manners: Manners | None = None) -> None:
        self.config = config or HubConfig()
        self.manners = manners or Manners()
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.logbook = Logbook()
        self.desk: Desk | None = None
        self.hanging = 0  # requests that wait for their answer just now
        self.refused = 0  # requests that were unsigned, wrongly signed or no notification
        self._rng = random.Random(self.config.seed)  # noqa: S311 - which request fails
        self._released = asyncio.Event()  # of those that hang, when we close
        self._claim: PortClaim | None = None  # kept while it is down, when its callers go on trying to reach it there
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where its webhook is."""
        return f"http://{LOOPBACK}:{self._port}/telecare"

    @property
    def _port(self) -> int:
        if self._claim is None:
            raise RuntimeError("a hub has its port from `async with` on")
        return self._claim.port

    def staff(self, actions: HubActions) -> Desk:
        """Operators from now on, for what was told already too."""
        self.desk = Desk(self.config, actions)
        for notified in self.logbook:
            self.desk.take(notified)
        return self.desk

    async def go_up(self) -> None:
        """Listen; after `go_down` on the same port again."""
        self._released.clear()
        app = web.Application()
        app.router.add_post("/telecare", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()

    async def go_down(self) -> None:
        """Refuse connections, as a hub does whose server is off."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        self._claim = claim_port(None)
        try:
            await self.go_up()
        except BaseException:  # whoever stops meanwhile, too
            await self.go_down()
            self._claim.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_down()
        if self._claim is not None:
            self._claim.release()
        if self.desk is not None:
            await self.desk.close()

    def is_ours(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether it is signed with our secret, and just now. For hubs that live by another clock to decide anew."""
        try:
            Webhook(self.secret).verify(body, dict(headers), json_parse=False)
        except (
            WebhookVerificationError,
            ValueError,
        ):  # ValueError: headers that are no base64, or no "version,signature"
            return False
        return True

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self.is_ours(body, request.headers):
            self.refused += 1
            return web.Response(status=401)
        if self._rng.random() < self.manners.fail_share:
            return web.Response(status=self.manners.fail_status)
        if request.transport is not None and self._rng.random() < self.manners.reset_share:
            request.transport.abort()
            return web.Response(status=500)  # which nobody reads
        if self._rng.random() < self.manners.hang_share:
            await self._hang()
        try:
            notified, is_new = self.logbook.enter(body, webhook_id=request.headers.get(WEBHOOK_ID_HEADER))
        except ValueError:
            self.refused += 1
            return web.Response(status=422)
        if is_new and self.desk is not None:
            self.desk.take(notified)
        return web.Response(status=204)

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            async with asyncio.timeout(self.manners.hang_s):
                await self._released.wait()
        except TimeoutError:
            pass
        finally:
            self.hanging -= 1


class HttpActions:
    """Actions over the HTTP API, with a bearer token of the hub's (or an `ops` one). Use it as `async with`."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = aiohttp.ClientSession(
            base_url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=False
        )

    async def acknowledge(self, alarm_id: str, operator: str) -> Answer:
        """See `HubActions.acknowledge`."""
        return await self._post(f"/api/v1/alarms/{alarm_id}/acknowledge", {"operator": operator})

    async def close(self, alarm_id: str, operator: str, outcome: Outcome) -> Answer:
        """See `HubActions.close`."""
        body = {"operator": operator, "outcome": outcome, "note": "simulated"}
        return await self._post(f"/api/v1/alarms/{alarm_id}/close", body)

    async def _post(self, path: str, body: dict[str, str]) -> Answer:
        try:
            async with self._http.post(path, json=body) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            return "unavailable"
        if status >= 500 or status in _AGAIN:
            return "unavailable"
        if status == 409:
            return "settled_already"
        return "done" if status < 300 else "refused"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
