"""A code that is sent over a channel and entered here: so we know that somebody reads what we send there."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

CODE_LIFE: Final = timedelta(minutes=15)
ATTEMPTS_MAX: Final = 5
"""Five of a million: with the codes that are sent in an hour, one guess in 40,000 succeeds."""

SEND_EVERY: Final = timedelta(minutes=1)
SENDS_MAX: Final = 5
SENDS_WITHIN: Final = timedelta(hours=1)


class Reason(StrEnum):
    """Why no code is sent, or why one does not verify."""

    UNKNOWN = "unknown"
    VERIFIED = "verified"
    TOO_SOON = "too_soon"
    NO_CODE = "no_code"
    EXPIRED = "expired"
    USED_UP = "used_up"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was sent, or verified. `attempts_left` of this code; `again_at`: when another may be sent."""

    reason: Reason
    attempts_left: int = 0
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The code that was sent last, as far as it is kept; wrong ones have been entered `attempts` times."""

    sha256: bytes
    expires_at: datetime
    attempts: int
    sent_at: Sequence[datetime]  # when codes were sent, the latest last


def digest(channel_id: UUID, code: str) -> bytes:
    """What is kept of a code. With its channel, so that equal codes of two channels do not look alike."""
    return hashlib.sha256(channel_id.bytes + code.encode()).digest()


def sends_that_count(sent_at: Sequence[datetime], now: datetime) -> list[datetime]:
    """Those within the hour."""
    return [at for at in sent_at if at > now - SENDS_WITHIN]


def may_send(sent_at: Sequence[datetime], now: datetime) -> Refused | None:
    """Whether another code may be sent: a text costs, and whoever reads there is not to be flooded."""
    counting = sends_that_count(sent_at, now)
    waits = [at + SEND_EVERY for at in counting[-1:]]
    if len(counting) >= SENDS_MAX:
        waits.append(counting[-SENDS_MAX] + SENDS_WITHIN)
    again_at = max(waits, default=now)
    return Refused(Reason.TOO_SOON, again_at=again_at) if again_at > now else None


def judge(pending: Pending | None, channel_id: UUID, code: str, now: datetime) -> Refused | None:
    """None when this is the code. Compared in constant time, though only a digest could be learned."""
    if pending is None:
        return Refused(Reason.NO_CODE)
    if now >= pending.expires_at:
        return Refused(Reason.EXPIRED)
    if pending.attempts >= ATTEMPTS_MAX:
        return Refused(Reason.USED_UP)
    if not hmac.compare_digest(digest(channel_id, code), pending.sha256):
        return Refused(Reason.WRONG, attempts_left=ATTEMPTS_MAX - pending.attempts - 1)
    return None
