"""Requests of units without a credential: exchange, commit, tell the broker, PUBACK, answer. The same request, the same answer.

Killed anywhere on the way, the broker has the request still, or the unit sends it again; and nothing was given out twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog
from pydantic import ValidationError

from contracts.provisioning import Credential, ProvisioningRefusal, ProvisioningRequest
from contracts.topics import parse_provisioning_topic, provisioning_topic
from services.chassis.clock import Clock
from services.chassis.mqtt import Message, Publisher, PublishFailed, Session
from services.chassis.postgres import is_transient
from services.chassis.shard import Progress
from services.registry.identity.claims import Claims, Exchanged

_log = structlog.get_logger(__name__)

LANE: Final = "provisioning"
RECEIVE_MAX: Final = 64
_BATCH_MAX: Final = 16
_RETRY_S: Final = 0.5
_CONNECTS_S: Final = 5.0
_PATIENCE_S: Final = 10.0
"""For a broker that will not be told: then the others come first, and the unit asks again."""

Answer = Credential | ProvisioningRefusal


class BrokerAway(Exception):
    """The broker could not be told; it may be later."""


class Register(Protocol):
    """Whoever tells the broker of a device's password, which is nowhere else. Raises BrokerAway."""

    async def give(self, device_id: str, secret_id: UUID, password: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Provisioning:
    """The work of the shard `provisioning`. Without a register nobody tells the broker, which then lets everybody in."""

    claims: Claims
    clock: Clock
    publisher: Publisher
    register: Register | None = None

    async def work(self, session: Session, progress: Progress) -> None:
        """Until the session ends it."""
        while True:
            messages = await session.batch(_BATCH_MAX)
            progress.taken(len(messages))
            for message in messages:
                answer = await self._patiently(message)
                session.puback([message])
                progress.stored(1)
                if answer is not None:
                    await self._publish(*answer)

    async def _patiently(self, message: Message) -> tuple[str, Answer] | None:
        """The answer, once it is stored and the broker knows; None for one that gets none, or not now."""
        topic = parse_provisioning_topic(message.topic)
        if topic is None:
            return None
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _PATIENCE_S
        while True:
            try:
                return topic.serial, await self.answer(topic.serial, bytes(message.payload))
            except BrokerAway as away:
                if loop.time() > give_up_at:
                    _log.error("credential_not_at_broker", reason=str(away), hint="the unit asks again")
                    return None
            except Exception as error:  # noqa: BLE001 - one that we cannot handle must not hold up all others
                if not is_transient(error):
                    _log.error("provisioning_failed", error=type(error).__name__)
                    return None
            await asyncio.sleep(_RETRY_S)

    async def answer(self, serial: str, payload: bytes) -> Answer:
        """What the unit is told. Raises BrokerAway, after the commit: the same again goes on from there."""
        try:
            asked = ProvisioningRequest.model_validate_json(payload)
        except ValidationError as error:
            return ProvisioningRefusal(reason="invalid", detail=_first_fault(error))
        done = await self.claims.exchange(serial, asked, self.clock.now())
        if not isinstance(done, Exchanged):
            device_id = done.claim.device_id if done.claim else None
            _log.warning("provisioning_refused", reason=done.reason, device_id=device_id)
            return ProvisioningRefusal(nonce_sha256=asked.nonce_sha256, reason=done.reason, detail=done.detail)
        claim = done.claim
        if self.register is not None and not done.at_broker:
            await self.register.give(claim.device_id, claim.claim_id, done.password)
        _log.info("credential_issued", device_id=claim.device_id)
        return Credential(
            nonce_sha256=asked.nonce_sha256,
            device_id=claim.device_id,
            council_id=claim.council_id,
            username=claim.device_id,
            password=done.password,
        )

    async def _publish(self, serial: str, answer: Answer) -> None:
        """An answer that does not arrive is asked for again. Of our two connections one may come back before the other."""
        topic, payload = provisioning_topic(serial, "response"), answer.model_dump_json().encode()
        try:
            async with asyncio.timeout(_CONNECTS_S):
                await self.publisher.wait_connected()
            await self.publisher.publish(topic, payload, qos=1)
        except (PublishFailed, TimeoutError) as error:
            _log.warning("provisioning_answer_not_published", reason=type(error).__name__)


def _first_fault(error: ValidationError) -> str:
    """Where the fault is and what it is, without what was sent."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"]
