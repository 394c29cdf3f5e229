"""One POST, signed, to an address that may be reached, answered within 10 s; redirects are not followed.

Signed with the hub's secret, and with the one before it as long as that holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import aiohttp
from standardwebhooks import Webhook

from contracts.notification import WEBHOOK_ID_HEADER
from services.alerts.channels.channel import Parcel
from services.alerts.channels.names import Names
from services.alerts.channels.webhook.guard import AddressForbidden, GuardedSockets, Network
from services.alerts.domain.delivery import SEND_TIMEOUT_S, Outcome, of_http_status, permanent, transient
from services.chassis.secrets import SecretKeyError, Vault

ANSWER_BYTES_MAX: Final = 64 * 1024
_READ_ANSWER_S: Final = 0.1  # it came with the headers, or we can do without it


class WebhookChannel:
    """Holds the connections to all hubs. `close` it."""

    def __init__(
        self, vault: Vault, allowed: Sequence[Network], names: Names, *, timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        self._vault = vault
        self._names = names
        self._sockets = GuardedSockets(allowed)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:
        """POST the notification. 2xx is delivered, whatever follows its headers."""
        if parcel.url is None or parcel.secret_encrypted is None or parcel.notification_id is None:
            return permanent("the channel has no address")
        try:
            headers = self._headers(parcel.notification_id, parcel, now)
        except (SecretKeyError, ValueError):
            # The installation's fault, and soon mended, we hope: every alarm of this hub hangs on it.
            return transient("the channel's secret cannot be read")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(parcel.url, parcel.body.encode(), headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return _outcome_of(error)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _headers(self, notification_id: str, parcel: Parcel, now: datetime) -> dict[str, str]:
        signatures = [self._webhook(parcel.secret_encrypted or b"").sign(notification_id, now, parcel.body)]
        if parcel.previous_secret_encrypted is not None:
            # A hub that has not changed its secret yet finds the one it knows; one that cannot be read any more is none.
            with contextlib.suppress(SecretKeyError, ValueError):
                previous = self._webhook(parcel.previous_secret_encrypted)
                signatures.append(previous.sign(notification_id, now, parcel.body))
        return {
            "content-type": "application/json",
            "user-agent": "telecare",
            WEBHOOK_ID_HEADER: notification_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _webhook(self, secret_encrypted: bytes) -> Webhook:
        return Webhook(self._vault.decrypt(secret_encrypted).decode())

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        try:
            return await self._post_once(url, body, headers)
        except aiohttp.ServerDisconnectedError:
            # A kept connection that the hub had just closed, as servers do: no reason to let an alarm wait for its retry.
            return await self._post_once(url, body, headers)

    async def _post_once(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as answer:
            outcome = of_http_status(answer.status)
            if not await _read_to_its_end(answer):
                answer.close()
            return outcome

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # the dispatcher's bounds are tighter
                keepalive_timeout=60,
                socket_factory=self._sockets,
                resolver=self._names,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # nobody reads it
                timeout=aiohttp.ClientTimeout(total=None),  # ours is around the whole of it
            )
        return self._session


async def _read_to_its_end(answer: aiohttp.ClientResponse) -> bool:
    """Whether the answer's body ended soon and small, so that the connection can be used again."""
    read = 0
    try:
        async with asyncio.timeout(_READ_ANSWER_S):
            async for chunk in answer.content.iter_any():
                read += len(chunk)
                if read > ANSWER_BYTES_MAX:
                    return False
    except (TimeoutError, aiohttp.ClientError):
        return False
    return True


def _outcome_of(error: Exception) -> Outcome:
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return permanent("not a URL")
    if isinstance(getattr(error, "os_error", None), AddressForbidden):
        return permanent("address not allowed: see TELECARE_WEBHOOK_ALLOW_CIDRS")
    return transient("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
