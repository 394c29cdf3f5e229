"""Receipts to devices by MQTT: news of an event that the device knows to be stored; the broker's PUBACK is enough.

Whether the broker knew of a session of the device to take it is kept, for whoever must know that the device listens.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.alerts.channels.channel import Parcel
from services.alerts.domain.delivery import DELIVERED, SEND_TIMEOUT_S, Outcome, permanent, transient
from services.chassis.mqtt import Publisher, PublishFailed, PublishRefused

# Not tried again: a device that comes later, and does not know, sends its alarm again and is answered.
_UNHEARD: Final = Outcome("delivered", "nobody is subscribed")


@dataclass(frozen=True, slots=True)
class ReceiptChannel:
    publisher: Publisher

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:  # noqa: ARG002 - a receipt holds its own time
        """Publish to the device's `receipt` topic."""
        try:
            # Without an expiry: the embedded broker loses what has MQTT 5 properties on the way to a 3.1.1 box.
            heard = await self.publisher.publish(parcel.topic or "", parcel.body.encode(), timeout_s=SEND_TIMEOUT_S)
        except PublishRefused as error:
            return permanent(error.reason)
        except PublishFailed as error:
            return transient(type(error).__name__)
        except ValueError:
            return permanent("no topic to publish to")
        return DELIVERED if heard else _UNHEARD
