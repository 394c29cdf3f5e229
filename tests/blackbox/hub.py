"""Alarm receiving centres: one that is told by webhook, and one that is told, and answers, by MQTT."""

import asyncio
import json
import secrets
import time
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.blackbox.box import PATIENCE_S, REPEATED_AFTER_S, Peer, Version
from tests.support.servers import Broker, free_port, until

HOST = "127.0.0.1"
_DRIP_EVERY_S = 0.5
_TOLERANCE = timedelta(minutes=5)  # of the library


class Misbehaviour(Enum):
    """What a receiver may do instead of answering."""

    HANG = "takes the request and never answers"
    DRIP = "answers 200, and then a byte now and then"
    RESET = "resets the connection"


Reaction: TypeAlias = int | Misbehaviour  # an int is the HTTP status answered


@dataclass(frozen=True)
class Delivery:
    """One request, whatever was answered."""

    hub_id: str
    at: float  # monotonic seconds
    headers: Mapping[str, str]
    body: bytes
    reaction: Reaction

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def notification(self) -> dict[str, Any]:
        notification: dict[str, Any] = json.loads(self.body)
        return notification

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.notification["data"]
        return data

    @property
    def accepted(self) -> bool:
        return isinstance(self.reaction, int) and 200 <= self.reaction < 300


class Receiver:
    """The webhook endpoint of any number of hubs. It verifies every signature, and reacts to each device as planned."""

    def __init__(self) -> None:
        self.port = free_port()
        self.deliveries: list[Delivery] = []
        self.refused: list[str] = []  # why a request was no Standard Webhook of ours
        self.followed_redirects = 0
        self.clock: Callable[[], datetime] | None = None  # the host's, unless the test moves another
        self._secrets: dict[str, str] = {}
        self._plans: dict[str, deque[Reaction]] = defaultdict(deque)
        self._broken: dict[str, Reaction] = {}
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, again on the same port."""
        self._stopping.clear()
        app = web.Application()
        app.router.add_post("/hubs/{hub_id}", self._receive)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Close the port: connections are refused."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def channel(self, hub_id: str, *, verified: bool = True) -> dict[str, Any]:
        """The channel to register for a hub, with a secret of its own."""
        secret = self._secrets.setdefault(hub_id, f"whsec_{b64encode(secrets.token_bytes(24)).decode()}")
        url = f"http://{HOST}:{self.port}/hubs/{hub_id}"
        return {"kind": "webhook", "url": url, "secret": secret, "verified": verified}

    @property
    def secrets(self) -> list[str]:
        """Every secret it knows."""
        return list(self._secrets.values())

    def plan(self, device_id: str, *reactions: Reaction) -> None:
        """React so to the next requests about a device; to those that come after, with 204.

        Probes are about no device: those of a hub are planned under its `hub_id`.
        """
        self._plans[device_id].extend(reactions)

    def break_down(self, hub_id: str, reaction: Reaction = 503) -> None:
        """React so to whatever a hub is sent, until it is mended."""
        self._broken[hub_id] = reaction

    def mend(self, hub_id: str) -> None:
        """The hub works again."""
        del self._broken[hub_id]

    def of_alarms(self) -> list[Delivery]:
        """Whatever was told of any alarm, oldest first."""
        return [each for each in self.deliveries if each.notification["type"] != "hub.probe"]

    def probes(self, hub_id: str) -> list[Delivery]:
        """Every probe of a hub, and every code that verifies a channel of its, oldest first."""
        return [each for each in self.deliveries if each.hub_id == hub_id and each.notification["type"] == "hub.probe"]

    def attempts(self, device_id: str, type_: str | None = None, *, hub: str | None = None) -> list[Delivery]:
        """Every request about a device, oldest first."""
        return [
            each
            for each in self.deliveries
            if each.data.get("device_id") == device_id
            and (type_ is None or each.notification["type"] == type_)
            and (hub is None or each.hub_id == hub)
        ]

    def accepted(self, device_id: str, type_: str | None = None, *, hub: str | None = None) -> list[Delivery]:
        """Those that it answered with a 2xx."""
        return [each for each in self.attempts(device_id, type_, hub=hub) if each.accepted]

    async def told(
        self, device_id: str, type_: str = "alarm.raised", *, hub: str | None = None, timeout_s: float = PATIENCE_S
    ) -> Delivery:
        """Wait until a hub has accepted a notification of this type about a device."""
        found = await until(
            lambda: self.accepted(device_id, type_, hub=hub), timeout_s, what=f"{type_} about {device_id} at the hub"
        )
        return found[0]

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        self.followed_redirects += 1
        return web.Response(status=200)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        hub_id = request.match_info["hub_id"]
        try:
            notification = self._verified(hub_id, body, request.headers)
        except (WebhookVerificationError, KeyError, ValueError) as fault:
            self.refused.append(f"{hub_id}: {fault!r}; {dict(request.headers)}; {body[:400]!r}")
            return web.Response(status=401)
        plan = self._plans[notification["data"].get("device_id", hub_id)]
        reaction = self._broken.get(hub_id) or (plan.popleft() if plan else 204)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.deliveries.append(Delivery(hub_id, time.monotonic(), headers, body, reaction))
        return await self._react(reaction, request)

    def _verified(self, hub_id: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """The notification, signed with the hub's secret and just now. As the library judges, but for the clock."""
        secret = self._secrets[hub_id]
        if self.clock is None:
            Webhook(secret).verify(body, dict(headers))
        else:
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            if abs(self.clock() - at) > _TOLERANCE:
                raise WebhookVerificationError("not signed just now")
            if (
                Webhook(secret).sign(headers["webhook-id"], at, body.decode())
                not in headers["webhook-signature"].split()
            ):
                raise WebhookVerificationError("not signed by us")
        notification: dict[str, Any] = json.loads(body)
        return notification

    async def _react(self, reaction: Reaction, request: web.Request) -> web.StreamResponse:
        match reaction:
            case Misbehaviour.HANG:
                await self._stopping.wait()
            case Misbehaviour.DRIP:
                return await self._drip(request)
            case Misbehaviour.RESET:
                assert request.transport is not None
                request.transport.abort()
            case _:
                location = {"Location": f"http://{HOST}:{self.port}/elsewhere"} if 300 <= reaction < 400 else None
                return web.Response(status=reaction, headers=location)
        return web.Response(status=500)

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while not self._stopping.is_set():
                await response.write(b".")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_DRIP_EVERY_S):
                        await self._stopping.wait()
        return response


class MqttHub(Peer):
    """A hub that works by MQTT alone, of either version."""

    def __init__(self, broker: Broker, hub_id: str, version: Version = 5) -> None:
        self.hub_id = hub_id
        self._topic = f"telecare/v1/hubs/{hub_id}"
        topics = (f"{self._topic}/notifications", f"{self._topic}/action-results")
        super().__init__(broker, f"hub-{hub_id}", *topics, version=version)

    def notifications(self, device_id: str, type_: str | None = None) -> list[dict[str, Any]]:
        """What it was told about a device, oldest first; the same `id` may come more than once."""
        return [
            each
            for each in self.heard(f"{self._topic}/notifications")
            if each["data"].get("device_id") == device_id and (type_ is None or each["type"] == type_)
        ]

    def probes(self) -> list[dict[str, Any]]:
        """Its probes, and the codes that verify its channel, oldest first."""
        return [each for each in self.heard(f"{self._topic}/notifications") if each["type"] == "hub.probe"]

    async def told(
        self, device_id: str, type_: str = "alarm.raised", *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait for the first notification of this type about a device."""
        found = await until(
            lambda: self.notifications(device_id, type_), timeout_s, what=f"{type_} about {device_id} at {self.hub_id}"
        )
        return found[0]

    async def act(self, action: str, **fields: object) -> dict[str, Any]:
        """Send an action, and again until there is a result, as every hub must: one that is lost on its way is asked for so."""
        action_id = secrets.token_hex(8)
        said = json.dumps({"action_id": action_id, "action": action, **fields}).encode()
        again_at = 0.0

        def answered() -> list[dict[str, Any]]:
            nonlocal again_at
            results = self.results(action_id)
            if not results and time.monotonic() > again_at:
                again_at = time.monotonic() + REPEATED_AFTER_S
                self.say(said)
            return results

        return (await until(answered, PATIENCE_S, what=f"the result of {action} ({action_id}) at {self.hub_id}"))[0]

    def say(self, payload: bytes) -> None:
        """Send any bytes as an action."""
        self.client.publish(f"{self._topic}/actions", payload, 1)

    async def result(self, action_id: str | None) -> dict[str, Any]:
        """Wait for the result of one action."""
        found = await until(lambda: self.results(action_id), what=f"the result of action {action_id} at {self.hub_id}")
        return found[0]

    def results(self, action_id: str | None) -> list[dict[str, Any]]:
        """What it was answered to one action."""
        return [each for each in self.heard(f"{self._topic}/action-results") if each["action_id"] == action_id]
