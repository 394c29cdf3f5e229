"""GOV.UK Notify as its documentation says it behaves (https://docs.notifications.service.gov.uk/rest-api.html), on loopback.

A text's status advances when the test says so; a callback is sent when the test says so.
"""

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import aiohttp
import jwt
from aiohttp import web

from tests.support.servers import free_port

HOST = "127.0.0.1"
SMOKE_TEST_NUMBERS = frozenset({"07700900000", "07700900111", "07700900222"})
"""Answered as if sent: nothing is, no receipt comes, and the id that they get is nobody's."""
TEST_KEY_STATUS = {"07700900002": "permanent-failure", "07700900003": "temporary-failure"}
"""What becomes, with a test key, of texts to these; to all others `delivered`."""
CLOCK_TOLERATED_S = 30
_PAGE = 250

Status: TypeAlias = Literal[
    "created", "sending", "pending", "sent", "delivered", "permanent-failure", "temporary-failure", "technical-failure"
]
Reaction: TypeAlias = web.Response | asyncio.Event
"""An answer, or an event that is waited for before the usual answer; one that is never set hangs."""


@dataclass
class Text:
    """One text message that Notify has taken."""

    number: str
    message: str
    reference: str | None
    status: Status = "created"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


class NotifyServer:
    """One service with one key and one template."""

    def __init__(self, *, test_key: bool = False) -> None:
        self.port = free_port()
        self.service_id, self.secret, self.template_id = (str(uuid.uuid4()) for _ in range(3))
        self.template_body = "((message))"
        self.texts: list[Text] = []
        self.requests: list[str] = []  # method and path
        self.per_minute_max = 3000
        self.reached = asyncio.Event()  # somebody waits for a reaction
        self._test_key = test_key
        self._plans: deque[Reaction] = deque()
        self._sent_at: deque[float] = deque()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api_key(self) -> str:
        return f"telecare-alarms-{self.service_id}-{self.secret}"

    async def start(self) -> None:
        """Listen, again on the same port."""
        self._stopping.clear()
        app = web.Application(middlewares=[self._middleware])
        app.router.add_post("/v2/notifications/sms", self._send)
        app.router.add_get("/v2/notifications", self._list)
        app.router.add_get("/v2/notifications/{id}", self._get)
        app.router.add_get("/v2/template/{id}", self._template)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Close the port; texts stay."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def plan(self, *reactions: Reaction) -> None:
        """React so to the next requests, whatever they ask; to those that come after, as documented."""
        self._plans.extend(reactions)

    def advance(self, status: Status) -> None:
        """The newest text is in this status now."""
        self.texts[-1].status = status

    async def call_back(self, url: str, token: str, text: Text | None = None, **changes: object) -> int:
        """Send the delivery receipt of a text (the newest), as documented; returns the status it was answered with."""
        about = text or self.texts[-1]
        body = {
            "id": about.id,
            "reference": about.reference,
            "to": about.number,
            "status": about.status,
            "created_at": about.created_at,
            "completed_at": about.created_at,
            "sent_at": about.created_at,
            "notification_type": "sms",
            "template_id": self.template_id,
            "template_version": 1,
        }
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as http, http.post(url, json=body | changes, headers=headers) as answer:
            return answer.status

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if self._plans:
            reaction = self._plans.popleft()
            if isinstance(reaction, web.Response):
                return reaction
            await request.read()  # what was sent is here, though who sent it may be gone by the time
            await self._wait(reaction)
        response: web.StreamResponse = self._refused(request) or await handler(request)
        return response

    async def _wait(self, event: asyncio.Event) -> None:
        self.reached.set()
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self._stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    def _refused(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return error(401, "AuthError", "Unauthorized: authentication token must be provided")
        try:
            claims = jwt.decode(token, self.secret, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.InvalidTokenError:
            return error(403, "AuthError", "Invalid token: API key not found")
        if claims.get("iss") != self.service_id:
            return error(403, "AuthError", "Invalid token: service not found")
        if abs(claims.get("iat", 0) - time.time()) > CLOCK_TOLERATED_S:
            return error(403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds")
        return None

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.json()
        fault = self._fault(body)
        if fault is not None:
            return fault
        text = Text(body["phone_number"], body["personalisation"]["message"], body.get("reference"))
        if text.number not in SMOKE_TEST_NUMBERS:
            if self._test_key:
                text.status = TEST_KEY_STATUS.get(text.number, "delivered")  # type: ignore[assignment]  # both are statuses
            self.texts.append(text)
        return web.json_response(
            {
                "id": text.id,
                "reference": text.reference,
                "content": {"body": text.message, "from_number": "GOVUK"},
                "uri": f"{self.url}/v2/notifications/{text.id}",
                "template": {"id": self.template_id, "version": 1, "uri": f"{self.url}/v2/template/{self.template_id}"},
            },
            status=201,
        )

    def _fault(self, body: dict[str, Any]) -> web.Response | None:
        now = time.monotonic()
        while self._sent_at and now - self._sent_at[0] > 60:
            self._sent_at.popleft()
        if len(self._sent_at) >= self.per_minute_max:
            limit = f"Exceeded rate limit for key type LIVE of {self.per_minute_max} requests per 60 seconds"
            return error(429, "RateLimitError", limit)
        self._sent_at.append(now)
        number = "".join(each for each in str(body.get("phone_number", "")) if each not in " ()-+")
        if not number.isdigit():
            return error(400, "ValidationError", "phone_number Must not contain letters or symbols")
        if len(number) < 10:
            return error(400, "ValidationError", "phone_number Not enough digits")
        if body.get("template_id") != self.template_id:
            return error(400, "BadRequestError", "Template not found")
        if "message" not in body.get("personalisation", {}):
            return error(400, "BadRequestError", "Missing personalisation: message")
        return None

    async def _get(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        try:
            uuid.UUID(id_)
        except ValueError:
            return error(400, "ValidationError", "id is not a valid UUID")
        found = [each for each in self.texts if each.id == id_]
        return web.json_response(self._view(found[0])) if found else error(404, "NoResultFound", "No result found")

    async def _list(self, request: web.Request) -> web.Response:
        reference = request.query.get("reference")
        found = [each for each in reversed(self.texts) if reference is None or each.reference == reference]
        return web.json_response(
            {"notifications": [self._view(each) for each in found[:_PAGE]], "links": {"current": str(request.url)}}
        )

    async def _template(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != self.template_id:
            return error(404, "NoResultFound", "No result found")
        body = {"id": self.template_id, "name": "alarms", "type": "sms", "version": 1, "body": self.template_body}
        return web.json_response(body)

    def _view(self, text: Text) -> dict[str, Any]:
        return {
            "id": text.id,
            "reference": text.reference,
            "phone_number": text.number,
            "type": "sms",
            "status": text.status,
            "template": {"version": 1, "id": self.template_id, "uri": f"/v2/template/{self.template_id}/1"},
            "body": text.message,
            "created_at": text.created_at,
        }


def error(status: int, kind: str, message: str) -> web.Response:
    """An error as Notify tells it."""
    return web.json_response({"status_code": status, "errors": [{"error": kind, "message": message}]}, status=status)
