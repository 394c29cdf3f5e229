"""By what an alarm event is told from every other."""

from dataclasses import replace
from hashlib import sha256
from typing import Final

from contracts.alarm_event import AlarmEvent
from contracts.vocabulary import UNREADABLE
from services.ingest.domain.alarm import DecodedAlarm
from services.ingest.domain.salvage import PAYLOAD_BYTES_MAX

REFUSED_BY_DATABASE: Final = "refused_by_database"


def identity_of(event: AlarmEvent) -> bytes:
    """SHA-256 of (lane, council_id, device_id, boot_id, seq): the topic holds the first three.

    No part of it can hold the separator, NUL. An event that could not be identified has its topic alone, and is told from
    others by its payload's digest.
    """
    parts = [event.topic] if event.boot_id is None else [event.topic, event.boot_id, str(event.seq)]
    return sha256("\0".join(parts).encode()).digest()


def unreadable(event: AlarmEvent, payload: bytes) -> DecodedAlarm:
    """The same alarm with nothing in it that a database could refuse: who, when, and the raw bytes."""
    bare = replace(
        event,
        boot_id=None,
        seq=None,
        sent_at=None,
        kind=UNREADABLE,
        status="activated",
        peripheral_id=None,
        location=None,
        text=None,
        test=False,
        marks=(REFUSED_BY_DATABASE,),
    )
    return DecodedAlarm(bare, payload[:PAYLOAD_BYTES_MAX])
