"""Receipts to devices by MQTT: news of an event that the device knows to be stored; the broker's PUBACK is enough."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.alerts.channels.channel import Parcel
from services.alerts.domain.delivery import DELIVERED, SEND_TIMEOUT_S, Outcome, permanent, transient
from services.chassis.mqtt import Publisher, PublishFailed, PublishRefused

EXPIRY_S: Final = 24 * 3600
"""A box that was away for longer gets no old news of an alarm that people have dealt with."""


@dataclass(frozen=True, slots=True)
class ReceiptChannel:
    publisher: Publisher

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:  # noqa: ARG002 - a receipt holds its own time
        """Publish to the device's `receipt` topic."""
        try:
            await self.publisher.publish(
                parcel.topic or "", parcel.body.encode(), qos=1, expiry_s=EXPIRY_S, timeout_s=SEND_TIMEOUT_S
            )
        except PublishRefused as error:
            return permanent(error.reason)
        except PublishFailed as error:
            return transient(type(error).__name__)
        except ValueError:
            return permanent("no topic to publish to")
        return DELIVERED
