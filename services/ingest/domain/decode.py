"""From bytes to what they say. Three total functions: no topic and no payload makes any of them raise."""

from services.ingest.domain.alarm import DecodedAlarm, decode_alarm
from services.ingest.domain.heartbeat import HeartbeatRow, decode_heartbeat
from services.ingest.domain.quarantine import Quarantined, QuarantineReason
from services.ingest.domain.status import StatusHint, decode_status

__all__ = [
    "DecodedAlarm",
    "HeartbeatRow",
    "QuarantineReason",
    "Quarantined",
    "StatusHint",
    "decode_alarm",
    "decode_heartbeat",
    "decode_status",
]
