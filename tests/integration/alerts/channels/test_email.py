"""E-mail, to a real SMTP server."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.alerts.channels.email import EmailChannel
from services.alerts.channels.names import Names
from services.alerts.domain.delivery import Outcome
from services.chassis.secrets import Vault
from tests.blackbox.box import PRIVATE
from tests.integration.alerts.channels.ways import (
    ADDRESS,
    PASSWORD,
    VAULT,
    body,
    email_channel,
    parcel,
    raw_server,
    sealed,
)
from tests.support.certificates import self_signed
from tests.support.mail import MailServer
from tests.support.servers import free_port

MAIL = parcel("email", address_encrypted=sealed(ADDRESS))


@asynccontextmanager
async def mail_server(**options: Any) -> AsyncIterator[MailServer]:
    server = MailServer(**options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as made:
        yield made


async def send(channel: EmailChannel, **changes: Any) -> Outcome:
    return await channel.send(replace(MAIL, **changes), datetime.now(UTC))


# -- the message --------------------------------------------------------------------------------------------------------


async def test_an_alarm_arrives_as_plain_text_that_says_what_to_do(server: MailServer) -> None:
    outcome = await send(email_channel(server.url, public_url="https://telecare.example"))
    assert outcome.verdict == "delivered"
    (mail,) = server.mails
    assert (mail.sender, mail.to) == ("telecare@digital-office.example", ADDRESS)
    assert mail.message["Subject"] == "Priority 1, fall: alarm (device TC-000123)"
    assert mail.message["To"] == ADDRESS
    assert mail.message.get_content_type() == "text/plain"
    assert "GLA-4711" in mail.text
    assert "https://telecare.example/console/alarms/" in mail.text
    assert PRIVATE not in mail.message.as_string()


async def test_news_of_one_alarm_is_one_thread_and_the_same_news_one_message(server: MailServer) -> None:
    channel = email_channel(server.url)
    await send(channel)
    await send(channel, attempts=2)
    await send(channel, notification_id="msg_2", body=body("msg_2"))
    assert [each.id for each in server.mails] == [
        "<msg_1@digital-office.example>",
        "<msg_1@digital-office.example>",
        "<msg_2@digital-office.example>",
    ]
    assert len({str(each.message["References"]) for each in server.mails}) == 1


async def test_nobody_is_asked_for_an_automatic_answer_and_life_is_important(server: MailServer) -> None:
    channel = email_channel(server.url)
    await send(channel)
    await send(channel, body=body(priority=4, kind="local_unit"))
    assert [each.message["Auto-Submitted"] for each in server.mails] == ["auto-generated"] * 2
    assert [each.message["Importance"] for each in server.mails] == ["high", None]


async def test_no_text_of_a_device_begins_a_header(server: MailServer) -> None:
    evil = "x\r\nBcc: everybody@council.example\r\n\r\nGo home"
    data = {"device_id": evil, "kind": evil, "installation_ref": evil, "council_id": evil, "alarm_id": evil}
    await send(email_channel(server.url), body=body(evil, **data), notification_id=evil)
    (mail,) = server.mails
    assert mail.to == ADDRESS
    assert mail.message["Bcc"] is None
    assert set(mail.message.keys()) <= {
        *("From", "To", "Date", "Subject", "Message-ID", "References", "Auto-Submitted", "Importance", "X-Priority"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }


async def test_a_code_to_verify_an_address_is_mailed(server: MailServer) -> None:
    probe = {"id": "msg_9", "type": "hub.probe", "data": {"verification_code": "042137", "channel_id": "c"}}
    expires_at = datetime(2026, 11, 22, 3, 29, tzinfo=UTC)
    outcome = await send(
        email_channel(server.url), alarm_id=None, type="hub.probe", body=json.dumps(probe), expires_at=expires_at
    )
    assert outcome.verdict == "delivered"
    assert "042137, valid until 03:29" in server.mails[0].text


# -- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("RCPT", f"550 5.1.1 <{ADDRESS}> unknown", ("permanent", "SMTP 550 5.1.1 to the recipient")),
        ("RCPT", "450 4.2.1 later", ("transient", "SMTP 450 4.2.1 to the recipient")),
        ("MAIL", "553 5.7.1 not yours", ("permanent", "SMTP 553 5.7.1 to the sender")),
        ("MAIL", "421 closing", ("transient", "SMTP 421 to the sender")),
        ("DATA", "552 5.3.4 too long", ("permanent", "SMTP 552 5.3.4 to the message")),
        ("DATA", "451 4.3.0 disk", ("transient", "SMTP 451 4.3.0 to the message")),
        ("DATA", f"299 {PRIVATE}", ("transient", "SMTP 299 to the message")),
    ],
)
async def test_4xx_may_pass_and_5xx_will_not(server: MailServer, stage: Any, reply: str, expected: Any) -> None:
    server.plan(stage, reply)
    outcome = await send(email_channel(server.url))
    assert (outcome.verdict, outcome.detail) == expected


async def test_a_password_that_is_refused_is_loud_and_may_be_mended(capsys: pytest.CaptureFixture[str]) -> None:
    async with mail_server(users={"telecare": PASSWORD}) as server:
        url = server.url.replace("://", "://telecare:wrong-password@")
        channel = email_channel(url)
        outcomes = [await send(channel), await send(channel)]
        assert server.mails == []
    assert [each.verdict for each in outcomes] == ["transient"] * 2
    assert "refuses our user or password" in str(outcomes[0].detail)
    said = capsys.readouterr().out
    assert said.count("mail_server_refuses_us") == 1  # a minute
    assert "wrong-password" not in said


async def test_a_password_that_is_right_lets_us_in() -> None:
    async with mail_server(users={"telecare": PASSWORD}) as server:
        url = server.url.replace("://", f"://telecare:{PASSWORD}@")
        assert (await send(email_channel(url))).verdict == "delivered"
        assert len(server.mails) == 1


@pytest.mark.parametrize("address", ["no address", "a@b@c", "a@b.example\r\nRCPT TO:<c@d.example>"])
async def test_what_is_no_address_is_final(server: MailServer, address: str) -> None:
    outcome = await send(email_channel(server.url), address_encrypted=sealed(address))
    assert (outcome.verdict, outcome.detail) == ("permanent", "the channel's address is no e-mail address")
    assert server.mails == []


async def test_an_address_of_another_key_is_ours_to_mend(server: MailServer) -> None:
    foreign = Vault("quite another passphrase").encrypt(ADDRESS.encode())
    assert (await send(email_channel(server.url), address_encrypted=foreign)).verdict == "transient"


async def test_without_a_mail_server_the_refusal_says_what_to_set() -> None:
    channel = EmailChannel(None, VAULT, Names())
    outcome = await send(channel)
    assert outcome.verdict == "permanent"
    assert "TELECARE_SMTP_URL" in str(outcome.detail)
    assert "TELECARE_SMTP_URL" in str(await channel.probe())


# -- TLS ----------------------------------------------------------------------------------------------------------------


HOST = "mail.example"


def on_this_host(_host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
    """A name server to which every name is this host's; only the name is not loopback's, so that TLS is demanded."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def off_loopback(server: MailServer, scheme: str = "smtp") -> EmailChannel:
    return email_channel(f"{scheme}://telecare:{PASSWORD}@{HOST}:{server.port}", Names(on_this_host))


async def test_off_loopback_no_password_is_said_before_starttls() -> None:
    async with mail_server(users={"telecare": PASSWORD}) as server:
        outcome = await send(off_loopback(server))
        assert (outcome.verdict, "STARTTLS" in str(outcome.detail)) == ("transient", True)
        assert (server.secured, server.mails) == ([], [])


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_certificate_that_nobody_we_trust_has_signed_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    certificate, context = self_signed(tmp_path, HOST)
    async with mail_server(users={"telecare": PASSWORD}, tls=context, tls_at_once=at_once) as server:
        channel = off_loopback(server, "smtps" if at_once else "smtp")
        refused = await send(channel)
        assert (refused.verdict, refused.detail) == ("transient", "SSLCertVerificationError")
        assert (server.secured, server.mails) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await send(channel)).verdict == "delivered"
        assert server.secured == [True]


# -- the probe ----------------------------------------------------------------------------------------------------------


async def test_a_probe_finds_a_server_that_works_and_writes_to_nobody() -> None:
    async with mail_server(users={"telecare": PASSWORD}) as server:
        assert await email_channel(server.url.replace("://", f"://telecare:{PASSWORD}@")).probe() is None
        assert server.mails == []


async def test_a_probe_says_what_is_wrong() -> None:
    async with mail_server(users={"telecare": PASSWORD}) as server:
        said = str(await email_channel(server.url.replace("://", "://telecare:wrong@")).probe())
    assert "refuses our user or password" in said
    assert "wrong" not in said
    gone = str(await email_channel(f"smtp://127.0.0.1:{free_port()}").probe())
    assert "ConnectionRefusedError" in gone
    async with raw_server(b"") as port:
        assert await email_channel(f"smtp://127.0.0.1:{port}").probe() is not None


async def test_a_probe_of_a_server_that_hangs_ends_in_time() -> None:
    async with raw_server(b"220-still thinking\r\n", then_closes=False) as port:
        said = await email_channel(f"smtp://127.0.0.1:{port}", timeout_s=0.3).probe()
    assert said is not None
