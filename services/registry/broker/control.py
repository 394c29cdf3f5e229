"""The control topic of Mosquitto's dynamic security, on aiomqtt: commands out, answers in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt

from services.chassis.mqtt import MqttUrl
from services.chassis.mqtt.tls import tls_context
from services.registry.domain.broker import Command
from services.registry.identity.provisioning import BrokerAway

COMMANDS: Final = "$CONTROL/dynamic-security/v1"
ANSWERS: Final = "$CONTROL/dynamic-security/v1/response"

_TIMEOUT_S: Final = 10.0
_LIST_TIMEOUT_S: Final = 60.0
_PAGE: Final = 500
"""How many clients or roles are asked for at once: an answer of 350 kB, some ms of the broker's time."""
_BATCH_START: Final = 2
_BATCH_MAX: Final = 32
_BLOCKED_S_MAX: Final = 0.05
"""For so long a batch may keep the broker from everybody else. It rewrites its file for each command, also for those in one
message (*measured*: 10 ms per command and thousand devices), and does nothing else meanwhile."""


class BrokerRefuses(Exception):
    """The broker answered a command with an error; the command is named, never what was in it."""


@dataclass(slots=True)
class Control:
    """An open connection. One batch at a time."""

    client: aiomqtt.Client
    _batch: int = _BATCH_START
    _waiting: dict[str, asyncio.Future[list[dict[str, Any]]]] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: MqttUrl) -> AsyncIterator[Control]:
        """Raises BrokerAway, also for what goes wrong while it is open."""
        try:
            async with _client(url, await tls_context(url)) as client:
                granted = await client.subscribe(ANSWERS, qos=1)
                if any(code.is_failure for code in granted if hasattr(code, "is_failure")):
                    raise BrokerAway("the admin may not hear the answers of dynamic security: is its role there?")
                control = cls(client)
                reader = asyncio.create_task(control._read(), name="broker-control")
                try:
                    yield control
                finally:
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)
        except aiomqtt.MqttError as error:
            raise BrokerAway(str(error)) from error

    async def ask(self, commands: Sequence[Command], timeout_s: float = _TIMEOUT_S) -> list[dict[str, Any]]:
        """Send commands in one message, and return the answers in their order. Raises BrokerAway when none come."""
        mark = secrets.token_hex(8)
        body = json.dumps({"commands": [{**command, "correlationData": mark} for command in commands]})
        answered: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
        self._waiting[mark] = answered
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.publish(COMMANDS, body, qos=1)
                return await answered
        except TimeoutError:
            raise BrokerAway(
                "no answer from dynamic security: is the plugin loaded, and may the admin use it?"
            ) from None
        finally:
            self._waiting.pop(mark, None)

    async def tell(self, commands: Sequence[Command]) -> None:
        """All of it, in their order, a few at a time, and leaving the broker as long again between. Raises BrokerRefuses."""
        loop = asyncio.get_running_loop()
        at = 0
        while at < len(commands):
            batch = commands[at : at + self._batch]
            at += len(batch)
            began_at = loop.time()
            answers = await self.ask(batch)
            took_s = loop.time() - began_at
            for command, answer in zip(batch, answers, strict=True):
                if "error" in answer:
                    raise BrokerRefuses(f"{command['command']}: {answer['error']}")
            self._batch = max(1, self._batch // 2) if took_s > _BLOCKED_S_MAX else min(_BATCH_MAX, self._batch * 2)
            if at < len(commands):
                await asyncio.sleep(took_s)

    async def defaults(self) -> dict[str, bool]:
        """What is allowed to whom no role says anything."""
        (answer,) = await self.ask([{"command": "getDefaultACLAccess"}])
        return {acl["acltype"]: acl["allow"] for acl in answer.get("data", {}).get("acls", ())}

    async def clients(self) -> dict[str, dict[str, Any]]:
        """Every client that the broker knows, by its user name."""
        return {each["username"]: each for each in await self._every("listClients", "clients")}

    async def roles(self) -> dict[str, dict[str, Any]]:
        """Every role, by its name."""
        return {each["rolename"]: each for each in await self._every("listRoles", "roles")}

    async def _every(self, command: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            asked = {"command": command, "verbose": True, "count": _PAGE, "offset": len(found)}
            (answer,) = await self.ask([asked], _LIST_TIMEOUT_S)
            if "error" in answer:
                raise BrokerRefuses(f"{command}: {answer['error']}")
            page = answer["data"][member]
            found += page
            if not page or len(found) >= answer["data"]["totalCount"]:
                return found

    async def _read(self) -> None:
        """Answers to others' commands come too: every admin hears them all."""
        try:
            async for message in self.client.messages:
                answers = json.loads(bytes(message.payload))["responses"]
                waiting = self._waiting.get(answers[0].get("correlationData", "")) if answers else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(answers)
        except (aiomqtt.MqttError, ValueError, LookupError) as error:
            for each in self._waiting.values():
                if not each.done():
                    each.set_exception(BrokerAway(f"{type(error).__name__}: {error}"))
                    each.exception()  # retrieved: whoever asked may have given up on it already


def _client(url: MqttUrl, tls: Any) -> aiomqtt.Client:
    return aiomqtt.Client(
        url.host,
        url.port,
        username=url.username,
        password=url.password,
        identifier=f"telecare-admin-{secrets.token_hex(6)}",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
        timeout=_TIMEOUT_S,
        tls_context=tls,
    )
