"""How a unit fetches its own credential: with its claim, and a nonce that it keeps until it is answered."""

import asyncio
import dataclasses
import secrets
import ssl
from typing import Final

import aiomqtt
from pydantic import TypeAdapter

from contracts.provisioning import Credential, ProvisioningRefusal, ProvisioningRequest, ProvisioningResponse
from contracts.topics import provisioning_topic
from services.chassis.mqtt import Backoff, MqttUrl

_RESPONSE: Final[TypeAdapter[Credential | ProvisioningRefusal]] = TypeAdapter(ProvisioningResponse)
_TIMEOUT_S: Final = 5.0


class Refused(Exception):
    """The claim is not good; another may be."""


async def provision(url: MqttUrl, serial: str, claim: str, *, repeat_s: float = 10.0) -> MqttUrl:
    """The broker's URL as the device connects from now on. Asks until it is answered. Raises Refused."""
    asked = ProvisioningRequest(claim=claim, nonce=secrets.token_urlsafe(16))
    backoff = Backoff()
    while True:
        try:
            answer = await _ask(url, serial, asked, repeat_s)
        except (aiomqtt.MqttError, TimeoutError):
            await asyncio.sleep(backoff.next_s())
            continue
        if isinstance(answer, ProvisioningRefusal):
            raise Refused(f"{answer.reason}: {answer.detail}")
        return dataclasses.replace(url, username=answer.username, password=answer.password)


async def _ask(
    url: MqttUrl, serial: str, asked: ProvisioningRequest, repeat_s: float
) -> Credential | ProvisioningRefusal:
    """One connection, one request, and the answer to it. Raises MqttError, or TimeoutError when none came."""
    name = f"claim:{serial}"
    async with aiomqtt.Client(
        url.host,
        url.port,
        username=name,
        password=asked.claim,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=_TIMEOUT_S,
        tls_context=ssl.create_default_context() if url.tls else None,
    ) as client:
        await client.subscribe(provisioning_topic(serial, "response"), qos=1)
        await client.publish(provisioning_topic(serial, "request"), asked.model_dump_json(), qos=1)
        async with asyncio.timeout(repeat_s):
            async for message in client.messages:
                answer = _RESPONSE.validate_json(bytes(message.payload))
                if answer.nonce_sha256 in {asked.nonce_sha256, None}:
                    return answer
    raise TimeoutError
