"""A mail submission server (aiosmtpd), with passwords and TLS like a real one, and with bad days like one."""

import asyncio
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal, TypeAlias, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.servers import free_port

HOST = "127.0.0.1"

Stage: TypeAlias = Literal["MAIL", "RCPT", "DATA"]
Reaction: TypeAlias = str | asyncio.Event
"""A reply, or an event that is waited for before the usual reply; one that is never set hangs."""


@dataclass(frozen=True)
class Mail:
    """What was handed in."""

    sender: str
    to: str
    message: EmailMessage

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class MailServer:
    """Listens on loopback. With `users` it asks for one of them; with `tls` it offers STARTTLS, or demands TLS at once."""

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
    ) -> None:
        self.port = free_port()
        self.mails: list[Mail] = []
        self.secured: list[bool] = []  # of each sign-in: whether TLS hid it
        self.reached = asyncio.Event()  # somebody waits for a reaction
        self._users = users
        self._tls = tls
        self._tls_at_once = tls_at_once
        self._plans: dict[Stage, deque[Reaction]] = defaultdict(deque)
        self._stopping = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: list[SMTP] = []

    @property
    def url(self) -> str:
        return f"{'smtps' if self._tls_at_once else 'smtp'}://{HOST}:{self.port}"

    async def start(self) -> None:
        """Listen, again on the same port."""
        self._stopping.clear()
        at_once = self._tls if self._tls_at_once else None
        self._server = await asyncio.get_running_loop().create_server(self._protocol, HOST, self.port, ssl=at_once)

    async def stop(self) -> None:
        """Close the port, and every connection."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
            for connection in self._connections:
                if connection.transport is not None:
                    cast("asyncio.Transport", connection.transport).abort()
            self._connections.clear()
            await self._server.wait_closed()
            self._server = None

    def plan(self, stage: Stage, *reactions: Reaction) -> None:
        """React so to the next commands of this stage; to those that come after, as usual."""
        self._plans[stage].extend(reactions)

    def _protocol(self) -> SMTP:
        connection = SMTP(
            self,
            hostname="mail.example",
            ident="test",
            loop=asyncio.get_running_loop(),
            tls_context=None if self._tls_at_once else self._tls,
            require_starttls=self._tls is not None and not self._tls_at_once,
            # aiosmtpd warns of it; without TLS, on loopback, it is what these tests want.
            auth_require_tls=False,
            authenticator=self._authenticate,
        )
        self._connections.append(connection)
        return connection

    def _authenticate(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, auth: Any
    ) -> AuthResult:
        assert isinstance(auth, LoginPassword)
        self.secured.append(self._tls_at_once or session.ssl is not None)
        known = (self._users or {}).get(auth.login.decode()) == auth.password.decode()
        return AuthResult(success=known, handled=False)

    async def _react(self, stage: Stage, usual: str) -> str:
        plan = self._plans[stage]
        reaction = plan.popleft() if plan else usual
        if isinstance(reaction, str):
            return reaction
        self.reached.set()
        waits = [asyncio.ensure_future(each.wait()) for each in (reaction, self._stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        return usual

    # What aiosmtpd calls.

    async def handle_MAIL(  # noqa: N802 - as the others, called by this name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._users is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._react("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = await self._react("RCPT", "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await self._react("DATA", "250 OK")
        if reply.startswith("250"):
            content = cast("bytes", envelope.original_content or envelope.content)
            message = message_from_bytes(content, policy=policy.default)
            self.mails += [Mail(envelope.mail_from or "", to, message) for to in envelope.rcpt_tos]
        return reply
