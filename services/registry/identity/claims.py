"""Claims: issued once, shown once, exchanged by one unit. Every change is one transaction with its line of history."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from contracts.provisioning import SERIAL_PATTERN, ProvisioningRequest
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.broker.hashes import PasswordHash
from services.registry.domain import claims
from services.registry.domain.claims import Claim, Exchange, NoExchange, decide_exchange
from services.registry.domain.own_names import REFUSAL, OwnNames

QUERIES: Final = Queries.beside(__file__)

DEVICE: Final = "the device"
"""The actor of what a device does by itself."""
_fits = re.compile(SERIAL_PATTERN[1:-1]).fullmatch


@dataclass(frozen=True, slots=True)
class IssuedClaim:
    """A claim as it is shown, this once."""

    code: str
    serial: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NotIssued:
    """No claim, and why."""

    reason: Literal["withdrawn", "serial_unfit", "name_taken"]
    detail: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What the unit is given, and whether the broker knows of it yet."""

    claim: Claim
    nonce_sha256: bytes
    password: str
    at_broker: bool


class Claims:
    """`key` is what codes and passwords follow from; it is in no database."""

    def __init__(self, pool: Pool, key: bytes, own_names: OwnNames) -> None:
        self._pool = pool
        self._key = key
        self._own_names = own_names

    async def issue(
        self, device_id: str, *, actor: str, now: datetime, lives: timedelta = claims.LIVES, first: bool = False
    ) -> IssuedClaim | NotIssued | None:
        """A new claim for the device; one before it is void. None when there is no such device.

        `first`: it goes with the registration, and needs no line of history beside that.
        """
        async with borrow(self._pool) as connection, connection.transaction():
            device = await connection.fetchrow(QUERIES["device_to_claim"], device_id)
            if device is None:
                return None
            if device_id in self._own_names:  # registered before this was our name
                return NotIssued("name_taken", f"No claim: {REFUSAL}.")
            if device["stage"] == "withdrawn":
                return NotIssued("withdrawn", f"{device_id} is withdrawn: it gets no claim.")
            serial = device["serial"]
            if _fits(serial) is None:
                detail = "The serial cannot be part of a topic: letters, digits and . _ ~ : - only. Correct it first."
                return NotIssued("serial_unfit", detail)
            claim_id, expires_at = uuid4(), now + lives
            code = claims.code_of(self._key, claim_id)
            await connection.execute(QUERIES["revoke_claims"], device_id, now)
            await connection.execute(
                QUERIES["insert_claim"], claim_id, device_id, serial, claims.code_sha256(code), now, actor, expires_at
            )
            await connection.execute(QUERIES["put_claim_user"], serial, claim_id, expires_at, now, actor)
            if not first:
                after = {"expires_at": expires_at.isoformat()}
                await _record(connection, device_id, now, actor, "claim_issued", after=after)
        return IssuedClaim(code, serial, expires_at)

    async def exchange(self, serial: str, asked: ProvisioningRequest, now: datetime) -> Exchanged | NoExchange:
        """The claim's credential; to the same request the same, for as long as the claim lives."""
        nonce = hashlib.sha256(asked.nonce.encode()).digest()
        digest = claims.code_sha256(asked.claim)
        async with borrow(self._pool) as connection, connection.transaction():
            device_id = await connection.fetchval(QUERIES["device_of_claim"], digest)
            row = None
            if device_id is not None:
                await connection.execute(QUERIES["device_to_claim"], device_id)
                row = await connection.fetchrow(QUERIES["claim"], digest)
            verdict = decide_exchange(None if row is None else Claim(**row), serial, nonce, now)
            if isinstance(verdict, NoExchange):
                await _refuse(connection, verdict, now)
                return verdict
            claim = verdict.claim
            password = claims.device_password(self._key, serial, asked.nonce, claim.claim_id)
            if not verdict.again:
                await _use(connection, verdict, password, now)
            at_broker = await connection.fetchval(QUERIES["at_broker"], claim.device_id)
        return Exchanged(claim, nonce, password, bool(at_broker))


async def _use(connection: Connection, exchange: Exchange, password: str, now: datetime) -> None:
    claim, hashed = exchange.claim, PasswordHash.of(password)
    await connection.execute(QUERIES["use_claim"], claim.claim_id, exchange.nonce_sha256, now)
    stored = (hashed.sha512, hashed.salt, hashed.iterations)
    await connection.execute(QUERIES["put_device_user"], claim.device_id, claim.claim_id, *stored, now, DEVICE)
    if await connection.fetchval(QUERIES["device_claimed"], claim.device_id, now):
        before, after = {"stage": claim.stage}, {"stage": "claimed"}
        await _record(connection, claim.device_id, now, DEVICE, "claimed", before=before, after=after)
    await _record(connection, claim.device_id, now, DEVICE, "credential_issued")


async def _refuse(connection: Connection, refusal: NoExchange, now: datetime) -> None:
    """Somebody who has the code is worth a line of the device's history, once; who guesses is worth a line of the log."""
    claim = refusal.claim
    if claim is not None and await connection.fetchval(QUERIES["refuse_claim"], claim.claim_id, now):
        await _record(connection, claim.device_id, now, DEVICE, "claim_refused", reason=refusal.detail)


async def _record(
    connection: Connection,
    device_id: str,
    now: datetime,
    actor: str,
    change: str,
    *,
    reason: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    await connection.execute(QUERIES["record_change"], device_id, now, actor, change, reason, before, after)
