"""What a device sends (heartbeat, alarm, status) and is sent (receipt, command)."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from contracts.alarm_event import AlarmEvent
from contracts.fields import BootIdText, Payload, Seq, Sha256Hex, Text32, Text64, Text128, Time
from contracts.vocabulary import KINDS, LOCATIONS, Network, Status

ReceiptState: TypeAlias = Literal["stored", "notified", "acknowledged", "closed"]
CommandName: TypeAlias = Literal["report_now", "set_heartbeat_interval"]


class Heartbeat(Payload):
    """A sign of life. The first three fields identify it; any other may be absent, and a bad one costs only itself."""

    boot_id: BootIdText
    seq: Seq
    sent_at: Time
    battery_pct: Annotated[int, Field(ge=0, le=100)] | None = None
    mains: bool | None = None
    signal_dbm: Annotated[int, Field(ge=-200, le=0)] | None = None
    network: Network | None = None
    sim_operator: Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description='PLMN, such as "23410"')] | None = None
    cell_id: Text32 | None = None
    firmware: Text64 | None = None
    # No home is colder than absolute zero or survives 1,000 °C; and a PostgreSQL `real` overflows at 3.4e38.
    temperature_c: Annotated[float, Field(ge=-273.15, le=1000)] | None = None


class Alarm(Payload):
    """An alarm as a device promises to send it. Ingest salvages what falls short of this and refuses none of it."""

    boot_id: BootIdText
    seq: Seq
    sent_at: Time
    kind: Annotated[Text64, Field(min_length=1, examples=[kind.name for kind in KINDS.values() if kind.dty])]
    status: Status = "activated"
    peripheral_id: Text32 | None = None
    location: Annotated[Text64 | None, Field(examples=list(LOCATIONS))] = None
    text: Text128 | None = None
    test: bool = False


class DeviceStatus(Payload):
    """Retained, and the will: a hint whether the device is connected, never a proof of life."""

    state: Literal["online", "offline"]
    boot_id: BootIdText
    sent_at: Time


class Receipt(Payload):
    """Tells a device that its alarm is stored (any state says so), and how far it has come since.

    `alarm_id` is null until the alarm exists. `payload_sha256` is the digest of the alarm's bytes: where `boot_id` and `seq`
    can't be read it stands in for them, and a box that reused them can tell by it which of its alarms is meant.
    """

    boot_id: BootIdText | None
    seq: Seq | None
    payload_sha256: Sha256Hex | None = None
    state: ReceiptState
    alarm_id: str | None
    at: Time

    @classmethod
    def of(cls, event: AlarmEvent, state: ReceiptState, alarm_id: str | None, at: datetime) -> Self:
        """The receipt for one event, named as its device knows it."""
        return cls(
            boot_id=event.boot_id,
            seq=event.seq,
            payload_sha256=event.payload_sha256,
            state=state,
            alarm_id=alarm_id,
            at=at,
        )

    @model_validator(mode="after")
    def _names_one_alarm(self) -> Self:
        identified = self.boot_id is not None and self.seq is not None
        if not identified and (self.boot_id is not None or self.seq is not None or self.payload_sha256 is None):
            raise ValueError("a receipt names boot_id and seq, or else payload_sha256")
        return self


class Command(Payload):
    """Asks a device to do something, until `expires_at`.

    `set_heartbeat_interval` takes `interval_s` and, if it shall end by itself, `for_s`: after that the usual one holds again.
    """

    command_id: str
    name: CommandName
    args: Annotated[dict[str, Any], Field(default_factory=dict)]
    expires_at: Time
