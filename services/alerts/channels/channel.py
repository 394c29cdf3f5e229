"""What every channel is to the dispatcher."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.ids import AlarmId, HubId, NotificationId
from contracts.notification import NotificationType
from contracts.vocabulary import Priority
from services.alerts.domain.delivery import DeliveryKind, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A leased delivery, with all that is needed to send it. `usable` is false when its channel is gone or unverified.

    What is encrypted is opened by the channel alone. `reference` is what an earlier attempt's outcome gave: the provider has
    it, so ask what became of it instead of sending it again.
    """

    delivery_id: int
    alarm_id: AlarmId | None  # None: a probe, the code that verifies a channel, or news of an outage
    kind: DeliveryKind
    channel: str
    hub_id: HubId | None
    responder_id: UUID | None
    topic: str | None
    priority: Priority
    attempts: int
    lease_token: UUID
    body: str = field(repr=False)
    notification_id: NotificationId | None  # None: a receipt
    type: NotificationType | None
    url: str | None = field(repr=False)
    secret_encrypted: bytes | None = field(repr=False)
    previous_secret_encrypted: bytes | None = field(repr=False)  # signs too, as long as it holds
    address_encrypted: bytes | None = field(repr=False)
    reference: str | None
    expires_at: datetime | None
    usable: bool
    received_at: datetime | None  # of the event that caused the notification

    @property
    def way(self) -> str:
        """What it shares with others that are sent the same way; all receipts go one way."""
        return "" if self.kind == "receipt" else self.channel


class Channel(Protocol):
    """Sends. It raises nothing that an other end, or the way there, can cause: that is an outcome."""

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:
        """Try once, within the send's time-out. `now` is for what the other end compares with its own clock."""
