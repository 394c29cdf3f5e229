"""One connection, one message. A 250 says that a server has it: neither that a person has read it, nor that one will."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime
from email.message import EmailMessage
from typing import Final

import aiosmtplib
import structlog

from services.alerts.channels.berths import Berths, Crowded
from services.alerts.channels.channel import Parcel
from services.alerts.channels.email.message import message
from services.alerts.channels.email.server import MailServer, address_of
from services.alerts.channels.names import Names
from services.alerts.channels.wording import wording
from services.alerts.domain.delivery import DELIVERED, SEND_TIMEOUT_S, Outcome, permanent, transient
from services.chassis.secrets import SecretKeyError, Vault

_log = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 16  # servers take a few dozen connections of one client
_EACH_ADDRESS_S: Final = 3.0
_PART_S: Final = 0.5  # for QUIT, which nothing depends on any more
_SAY_EVERY_S: Final = 60.0
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")  # RFC 3463


class EmailChannel:
    """Hands each notification to the submission server. `server` None: e-mail is not configured."""

    def __init__(
        self,
        server: MailServer | None,
        vault: Vault,
        names: Names,
        *,
        public_url: str | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self._server = server
        self._vault = vault
        self._names = names
        self._public_url = public_url
        self._timeout_s = timeout_s
        self._berths = Berths(AT_ONCE_MAX)
        self._said_at_s = float("-inf")

    async def send(self, parcel: Parcel, now: datetime) -> Outcome:
        """Hand it in: 250 is delivered, 4xx and what the installation can mend are transient, other refusals permanent."""
        server = self._server
        if server is None:
            return permanent("e-mail is not configured: set TELECARE_SMTP_URL and TELECARE_EMAIL_FROM")
        if parcel.address_encrypted is None or parcel.notification_id is None:
            return permanent("the channel has no address")
        try:
            to = address_of(self._vault.decrypt(parcel.address_encrypted).decode())
        except (SecretKeyError, UnicodeDecodeError):
            return transient("the channel's address cannot be read")
        if to is None:
            return permanent("the channel's address is no e-mail address")
        words = wording(parcel.body, self._public_url, parcel.expires_at)
        return await self._hand_in(server, message(parcel.notification_id, words, server.sender, to, now), to.addr_spec)

    async def probe(self) -> str | None:
        """None when the server takes a connection, TLS and our password; else what is wrong, in a sentence."""
        server = self._server
        if server is None:
            return "E-mail is not configured: set TELECARE_SMTP_URL and TELECARE_EMAIL_FROM."
        try:
            async with self._session(server, self._deadline()) as client:
                await client.ehlo()
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"The mail server {server} does not answer as it should: {_outcome_of(error).detail}."
        return None

    async def _hand_in(self, server: MailServer, mail: EmailMessage, to: str) -> Outcome:
        deadline = self._deadline()
        try:
            async with self._berths.one(), self._session(server, deadline) as client:
                await client.send_message(mail, sender=server.sender.addr_spec, recipients=[to])
        except (aiosmtplib.SMTPException, OSError) as error:
            outcome = _outcome_of(error)
            if _is_ours_to_mend(error):
                self._say(server, outcome)
            return outcome
        return DELIVERED

    @contextlib.asynccontextmanager
    async def _session(self, server: MailServer, deadline: float) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection for one message; all that is done with it, and the way there, ends at `deadline` (of the loop's time)."""
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout_at(deadline):
                client = await self._connect(server)
                yield client
        except BaseException:
            if client is not None:
                client.close()
            raise
        # What was to be said is said, and answered: nothing that happens now changes that.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout(_PART_S):
                await client.quit()
        client.close()

    async def _connect(self, server: MailServer) -> aiosmtplib.SMTP:
        """Connected, with TLS where it must be, and signed in."""
        connection = await self._names.connect(server.host, server.port, each_s=_EACH_ADDRESS_S)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=connection,
            use_tls=server.tls,
            start_tls=server.start_tls,
            username=server.username,
            password=server.password,
            local_hostname=server.sender.domain,
            timeout=self._timeout_s,
        )
        await client.connect()
        return client

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout_s

    def _say(self, server: MailServer, outcome: Outcome) -> None:
        """Loud, once a minute: as long as it lasts, no e-mail at all goes out."""
        if time.monotonic() - self._said_at_s >= _SAY_EVERY_S:
            self._said_at_s = time.monotonic()
            _log.error(
                "mail_server_refuses_us", server=str(server), reason=outcome.detail, hint="see TELECARE_SMTP_URL"
            )


def _outcome_of(error: Exception) -> Outcome:
    """Codes and names of errors: a server's own words may repeat the address, or what it was sent."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _refused(error)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return permanent("the mail server cannot take this address")
    if isinstance(error, Crowded) or type(error) is aiosmtplib.SMTPException:
        return transient(str(error))  # words of ours, or of the library: no STARTTLS, no way to sign in
    if isinstance(error, TimeoutError):
        return transient("no answer in time")
    return transient(type(error.__cause__ or error).__name__)


def _refused(error: aiosmtplib.SMTPResponseException) -> Outcome:
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return transient(f"the mail server refuses our user or password: {_code(error)}")
        case aiosmtplib.SMTPRecipientRefused():
            told = f"{_code(error)} to the recipient"
        case aiosmtplib.SMTPSenderRefused():
            told = f"{_code(error)} to the sender"
        case aiosmtplib.SMTPDataError():
            told = f"{_code(error)} to the message"
        case _:
            return transient(f"{_code(error)} to the connection")  # of the server's, whoever the message is for
    return permanent(told) if 500 <= error.code <= 599 else transient(told)


def _code(error: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"SMTP {error.code}{' ' + enhanced[0] if enhanced else ''}"


def _is_ours_to_mend(error: Exception) -> bool:
    """Whether it is our configuration: nobody's e-mail goes out until a person has changed that."""
    if isinstance(error, (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused)):
        return True
    return type(error) is aiosmtplib.SMTPException
