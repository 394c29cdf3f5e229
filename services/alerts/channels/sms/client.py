"""Requests to GOV.UK Notify, each signed anew, and as much of an answer as is worth reading."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp

from services.alerts.channels.names import Names
from services.alerts.channels.sms.account import NotifyAccount

ANSWER_BYTES_MAX: Final = 512 * 1024  # a page of 250 texts
_ERROR_TYPE = re.compile(r"[A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is empty when it was no JSON object, or a very long one."""

    status: int
    body: Mapping[str, Any]

    def __str__(self) -> str:
        """`HTTP 429 RateLimitError`. The documentation promises status and type of an error, and its words to no one."""
        errors = self.body.get("errors")
        types = [each.get("error") for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
        known = [each for each in types if isinstance(each, str) and _ERROR_TYPE.fullmatch(each)]
        return " ".join([f"HTTP {self.status}", *known[:3]])


class NotifyClient:
    """Raises aiohttp.ClientError and OSError when there is no answer; its caller bounds the time. `close` it."""

    def __init__(self, account: NotifyAccount, names: Names) -> None:
        self._account = account
        self._names = names
        self._session: aiohttp.ClientSession | None = None

    async def send_text(self, number: str, message: str, reference: str, now: datetime) -> Answer:
        """POST /v2/notifications/sms"""
        body = {
            "phone_number": number,
            "template_id": self._account.template_id,
            "personalisation": {"message": message},
            "reference": reference,
        }
        return await self._ask("POST", "/v2/notifications/sms", now, body=body)

    async def text(self, id_: str, now: datetime) -> Answer:
        """GET /v2/notifications/{id}"""
        return await self._ask("GET", f"/v2/notifications/{id_}", now)

    async def texts_of(self, reference: str, now: datetime) -> Answer:
        """GET /v2/notifications: the newest that were sent with this reference of ours."""
        return await self._ask("GET", "/v2/notifications", now, query={"template_type": "sms", "reference": reference})

    async def template(self, now: datetime) -> Answer:
        """GET /v2/template/{id}: ours."""
        return await self._ask("GET", f"/v2/template/{self._account.template_id}", now)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self,
        method: str,
        path: str,
        now: datetime,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        async with self._open().request(
            method,
            f"{self._account.url}{path}",
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {self._account.token(now)}"},
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, await _read(answer))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, resolver=self._names),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    read = bytearray()
    async for chunk in answer.content.iter_any():
        read += chunk
        if len(read) > ANSWER_BYTES_MAX:
            answer.close()
            return {}
    try:
        body = json.loads(read)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
