"""Notifications to a hub by MQTT. A broker's PUBACK is no delivery: that is the hub's action `received`."""

import math
from dataclasses import dataclass
from datetime import datetime

from contracts.topics import hub_topic
from services.alerts.channels.channel import Parcel
from services.alerts.domain.delivery import AWAITING, SEND_TIMEOUT_S, Outcome, permanent, retry_at, transient
from services.chassis.mqtt import Publisher, PublishFailed, PublishRefused


@dataclass(frozen=True, slots=True)
class MqttChannel:
    publisher: Publisher
    timeout_s: float = SEND_TIMEOUT_S

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:
        """Publish, to expire about when the next copy comes: a hub that returns finds one of it, not one per attempt."""
        if parcel.hub_id is None:
            return permanent("no hub to publish to")
        next_at = retry_at(parcel.kind, parcel.priority, "awaiting", parcel.attempts, now)
        try:
            await self.publisher.publish(
                hub_topic(parcel.hub_id, "notifications"),
                parcel.body.encode(),
                qos=1,
                expiry_s=math.ceil((next_at - now).total_seconds()) + 5,
                timeout_s=self.timeout_s,
            )
        except PublishRefused as error:
            return permanent(error.reason)
        except PublishFailed as error:
            return transient(type(error).__name__)
        return AWAITING
