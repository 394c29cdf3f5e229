"""A simulated hub that is told, and answers, over MQTT."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contracts.action import ActionResult
from contracts.ids import HubId
from contracts.topics import hub_topic, parse_hub_topic
from contracts.vocabulary import Outcome
from services.chassis.mqtt import Backoff, MqttUrl
from services.simulator.desk import Answer, Desk, HubConfig
from services.simulator.line import SESSION_EXPIRY_S
from services.simulator.logbook import Logbook
from services.simulator.messages import encode

_ANSWER_TIMEOUT_S: Final = 10.0


class MqttHub:
    """Run `run()` as a task; it ends by cancellation. Every notification is answered `received`, then seen to by operators."""

    def __init__(self, url: str, config: HubConfig | None = None) -> None:
        self.config = config or HubConfig()
        self.logbook = Logbook()
        self.desk = Desk(self.config, self)
        self.results: list[ActionResult] = []
        self.online = asyncio.Event()
        self._url = MqttUrl.parse(url)
        self._hub_id = HubId(self.config.hub_id)
        self._client: aiomqtt.Client | None = None
        self._waiting: dict[str, asyncio.Future[ActionResult]] = {}

    async def run(self) -> None:
        """Reconnects by itself, to the same session."""
        backoff = Backoff(0.5, 10.0)
        try:
            while True:
                with contextlib.suppress(aiomqtt.MqttError):
                    async with self._connected() as client:
                        backoff.reset()
                        async for message in client.messages:
                            await self._hear(client, message)
                await asyncio.sleep(backoff.next_s())
        finally:
            await self.desk.close()

    async def acknowledge(self, alarm_id: str, operator: str) -> Answer:
        """See `HubActions.acknowledge`."""
        return await self._act(action="acknowledge", alarm_id=alarm_id, operator=operator)

    async def close(self, alarm_id: str, operator: str, outcome: Outcome) -> Answer:
        """See `HubActions.close`."""
        return await self._act(action="close", alarm_id=alarm_id, operator=operator, outcome=outcome)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's is not annotated
        session.SessionExpiryInterval = SESSION_EXPIRY_S
        client = aiomqtt.Client(
            self._url.host,
            self._url.port,
            username=self._url.username,
            password=self._url.password,
            identifier=self._url.username or f"hub-{self._hub_id}",  # its user at the broker is bound to its own name
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=session,
            timeout=_ANSWER_TIMEOUT_S,
        )
        async with client:
            await client.subscribe([(hub_topic(self._hub_id, "notifications"), 1)])
            await client.subscribe([(hub_topic(self._hub_id, "action-results"), 1)])
            self._client = client
            self.online.set()
            try:
                yield client
            finally:
                self._client = None
                self.online.clear()

    async def _hear(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        topic = parse_hub_topic(message.topic.value)
        if topic is None or not isinstance(message.payload, bytes):
            return
        if topic.lane == "action-results":
            self._resolve(ActionResult.model_validate_json(message.payload))
            return
        notified, is_new = self.logbook.enter(message.payload)
        await self._publish(client, action_id=secrets.token_hex(8), action="received", notification_id=notified.id)
        if is_new:
            self.desk.take(notified)

    def _resolve(self, result: ActionResult) -> None:
        self.results.append(result)
        waiting = self._waiting.pop(result.action_id or "", None)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    async def _act(self, **action: Any) -> Answer:
        client, action_id = self._client, secrets.token_hex(8)
        if client is None:
            return "unavailable"
        waiting = self._waiting[action_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await self._publish(client, action_id=action_id, **action)
                result = await waiting
        except (aiomqtt.MqttError, TimeoutError):
            return "unavailable"
        finally:
            self._waiting.pop(action_id, None)
        return _ANSWERS.get(result.result, "refused")

    async def _publish(self, client: aiomqtt.Client, **action: Any) -> None:
        await client.publish(hub_topic(self._hub_id, "actions"), encode(**action), qos=1)


_ANSWERS: Final[dict[str, Answer]] = {
    "accepted": "done",
    "already_acknowledged": "settled_already",
    "already_closed": "settled_already",
}
