"""A text is delivered when a telephone has it. What Notify has taken, or is sending, is not: that is asked again and again.

The ladder goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import aiohttp
import structlog

from services.alerts.channels.berths import Berths, Crowded
from services.alerts.channels.channel import Parcel
from services.alerts.channels.names import Names
from services.alerts.channels.sms.account import NotifyAccount
from services.alerts.channels.sms.client import Answer, NotifyClient
from services.alerts.channels.wording import wording
from services.alerts.domain.delivery import AWAITING, DELIVERED, SEND_TIMEOUT_S, Outcome, permanent, transient
from services.chassis.clock import Clock
from services.chassis.secrets import SecretKeyError, Vault

_log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 32  # at a third of a second each, twice what Notify takes a minute
_TEXT_LENGTH_MAX: Final = 918  # Notify takes no longer ones
_SAY_EVERY_S: Final = 60.0
_NOT_CONFIGURED: Final = (
    "Texts are not configured: set TELECARE_NOTIFY_URL, TELECARE_NOTIFY_API_KEY and TELECARE_NOTIFY_TEMPLATE_ID"
)
_FAILED_FOR_NOW: Final = frozenset({"temporary-failure", "technical-failure"})
_MOMENTARY: Final = frozenset({"HTTP 408", "HTTP 429 RateLimitError"})  # the other 429 ends at midnight
_UNDER_WAY: Final = frozenset({"created", "sending", "pending"})


class SmsChannel:
    """Hands each notification to GOV.UK Notify, once, and then asks what became of it. `close` it.

    `account` None: texts are not configured.
    """

    def __init__(
        self,
        account: NotifyAccount | None,
        vault: Vault,
        names: Names,
        clock: Clock,
        *,
        public_url: str | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self._client = None if account is None else NotifyClient(account, names)
        self._vault = vault
        self._clock = clock
        self._public_url = public_url
        self._timeout_s = timeout_s
        self._berths = Berths(AT_ONCE_MAX)
        self._said_at_s = float("-inf")

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:
        """Send it, or ask after it if Notify has it already. 400 is permanent; all that may pass, or be mended, transient."""
        if self._client is None:
            return permanent(_NOT_CONFIGURED)
        if parcel.address_encrypted is None or parcel.notification_id is None:
            return permanent("the channel has no number")
        try:
            number = self._vault.decrypt(parcel.address_encrypted).decode()
        except (SecretKeyError, UnicodeDecodeError):
            return transient("the channel's number cannot be read")
        try:
            async with asyncio.timeout(self._timeout_s), self._berths.one():
                return await self._attempt(self._client, parcel, number, now)
        except (aiohttp.ClientError, OSError) as error:
            # Notify may have it all the same: the next attempt asks first.
            return replace(_no_answer(error), reference=parcel.reference)

    async def probe(self) -> str | None:
        """None when Notify knows us and our template, which holds `((message))`; else what is wrong, in a sentence."""
        if self._client is None:
            return f"{_NOT_CONFIGURED}."
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.template(self._clock.now())
        except (aiohttp.ClientError, OSError) as error:
            return f"GOV.UK Notify does not answer: {_no_answer(error).detail}."
        if answer.status != 200:
            return f"GOV.UK Notify refuses us, or knows no such template: {answer}."
        if answer.body.get("type") != "sms" or "((message))" not in str(answer.body.get("body")):
            return "The template of TELECARE_NOTIFY_TEMPLATE_ID is no text message that holds ((message))."
        return None

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    async def _attempt(self, client: NotifyClient, parcel: Parcel, number: str, now: datetime) -> Outcome:
        if parcel.reference is not None:
            return self._became(await client.text(parcel.reference, now), parcel.reference)
        reference = f"{parcel.notification_id}.{parcel.channel}"
        if parcel.attempts > 1:
            # An attempt before this one may have ended between Notify's taking it and our writing that down.
            earlier = await self._earlier(client, reference, now)
            if earlier is not None and earlier.verdict != "transient":
                return earlier
        words = wording(parcel.body, self._public_url, parcel.expires_at)
        return self._taken(await client.send_text(number, words.short[:_TEXT_LENGTH_MAX], reference, now))

    async def _earlier(self, client: NotifyClient, reference: str, now: datetime) -> Outcome | None:
        """What became of the text that we may have sent before. None: there is none, or nobody can say, and two beat none."""
        try:
            async with asyncio.timeout(self._timeout_s / 3):
                return _newest(await client.texts_of(reference, now))
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _became(self, answer: Answer, id_: str) -> Outcome:
        if answer.status == 200:
            return _of_status(answer.body.get("status"), id_)
        if answer.status == 404:
            return transient("Notify knows it no more")  # and so the next attempt looks for it, and sends it anew
        return replace(self._refused(answer), verdict="transient", reference=id_)

    def _taken(self, answer: Answer) -> Outcome:
        if not 200 <= answer.status < 300:
            return self._refused(answer)
        id_ = _id(answer.body)
        return replace(AWAITING, detail="Notify's answer cannot be read") if id_ is None else _awaiting(id_)

    def _refused(self, answer: Answer) -> Outcome:
        """400 is about this text. Other refusals are about us, and all texts wait until somebody has mended that."""
        if answer.status == 400:
            if "ValidationError" not in str(answer):  # trial mode, a team's key, the template: that is about us, too
                self._say(answer)
            return permanent(str(answer))
        if 300 <= answer.status < 500 and str(answer) not in _MOMENTARY:
            self._say(answer)
        return transient(str(answer))

    def _say(self, answer: Answer) -> None:
        """Loud, once a minute."""
        if time.monotonic() - self._said_at_s >= _SAY_EVERY_S:
            self._said_at_s = time.monotonic()
            _log.error(
                "notify_refuses_us", reason=str(answer), hint="see TELECARE_NOTIFY_API_KEY, and this host's clock"
            )


def _of_status(status: object, id_: str) -> Outcome:
    match status:
        case "delivered":
            return DELIVERED
        case "sent":  # abroad, from where no more is heard
            return replace(DELIVERED, detail="sent abroad, where nobody says more")
        case "permanent-failure":
            return permanent("Notify: permanent-failure")
        case str() if status in _FAILED_FOR_NOW:
            return transient(f"Notify: {status}")  # without its reference: it is sent anew
        case str() if status in _UNDER_WAY:
            return _awaiting(id_)
        case _:
            return replace(_awaiting(id_), detail="Notify: a status that it does not document")


def _awaiting(id_: str) -> Outcome:
    return replace(AWAITING, reference=id_)


def _newest(answer: Answer) -> Outcome | None:
    """What became of the newest text with our reference; None when there is none, or nobody can say."""
    found = answer.body.get("notifications")
    if answer.status != 200 or not isinstance(found, list):
        return None
    known = [each for each in found if isinstance(each, dict) and _id(each) is not None]
    if not known:
        return None
    newest = max(known, key=lambda each: str(each.get("created_at")))
    return _of_status(newest.get("status"), str(newest["id"]))


def _id(body: Mapping[str, Any]) -> str | None:
    """Notify's id of a text, if it is one: it becomes part of a path."""
    try:
        return str(UUID(body["id"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _no_answer(error: Exception) -> Outcome:
    if isinstance(error, Crowded):
        return transient(str(error))
    return transient("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
