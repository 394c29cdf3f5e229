"""A claim, and what becomes of a request that shows one. Pure: the key that passwords follow from is given."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.provisioning import ProvisioningRefusalReason
from services.registry.domain.lifecycle import Stage

LIVES: Final = timedelta(hours=1)
LIVES_AT_MOST: Final = timedelta(days=7)
LIVES_AT_LEAST: Final = timedelta(minutes=1)

_CODE_BYTES: Final = 16  # 128 bits: 26 characters of base32
_GROUPS: Final = (5, 5, 5, 5, 6)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it is stored, and the device that it is for. The code itself is stored nowhere."""

    claim_id: UUID
    device_id: str
    council_id: str
    serial: str
    stage: Stage
    expires_at: datetime
    revoked_at: datetime | None
    nonce_sha256: bytes | None
    refused_at: datetime | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """The claim becomes this unit's; `again` when it was already, and the answer is the one that it was given before."""

    claim: Claim
    nonce_sha256: bytes
    again: bool


@dataclass(frozen=True, slots=True)
class NoExchange:
    """The request is refused; `claim` is the one that it showed, if there is such a one."""

    reason: ProvisioningRefusalReason
    detail: str
    claim: Claim | None = None


def decide_exchange(claim: Claim | None, serial: str, nonce_sha256: bytes, now: datetime) -> Exchange | NoExchange:
    """What becomes of a request on the topic of `serial` that showed `claim`.

    A claim for another serial is as unknown as one that never was: whoever guesses learns nothing.
    """
    if claim is None or claim.serial != serial:
        return NoExchange("unknown_claim", "There is no such claim for this serial.", claim)
    if (refusal := _void(claim, now)) is not None:
        return refusal
    if claim.nonce_sha256 is None:
        return Exchange(claim, nonce_sha256, again=False)
    if not hmac.compare_digest(claim.nonce_sha256, nonce_sha256):
        return NoExchange("used", "The claim was used, with another nonce. If that was not this unit, say so.", claim)
    return Exchange(claim, nonce_sha256, again=True)


def _void(claim: Claim, now: datetime) -> NoExchange | None:
    if claim.stage == "withdrawn":
        return NoExchange("withdrawn", "The device is withdrawn.", claim)
    if claim.revoked_at is not None:
        return NoExchange("unknown_claim", "A newer claim was issued for this device: use that one.", claim)
    if claim.expires_at <= now:
        return NoExchange("expired", "The claim has expired: ask for a new one.", claim)
    return None


def code_of(key: bytes, claim_id: UUID) -> str:
    """The code of a claim, grouped for people: 128 bits that nobody without the key can tell from chance."""
    digest = hmac.digest(key, b"claim|" + claim_id.bytes, "sha256")[:_CODE_BYTES]
    text = base64.b32encode(digest).decode().rstrip("=")
    groups, at = [], 0
    for length in _GROUPS:
        groups.append(text[at : at + length])
        at += length
    return "-".join(groups)


def code_sha256(code: str) -> bytes:
    """By this a claim is found: letters' case, hyphens and spaces are nothing."""
    return hashlib.sha256(code.upper().replace("-", "").replace(" ", "").encode()).digest()


def device_password(key: bytes, serial: str, nonce: str, claim_id: UUID) -> str:
    """The device's password: 256 bits that follow from what only we have, and from what only the unit has."""
    return _text(hmac.digest(key, b"device|" + claim_id.bytes + f"|{serial}|{nonce}".encode(), "sha256"))


def derived_password(key: bytes, kind: str, secret_id: UUID) -> str:
    """The password of a user that is no device: it can be given to the broker again, however often that forgets it."""
    return _text(hmac.digest(key, kind.encode() + b"|" + secret_id.bytes, "sha256"))


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
