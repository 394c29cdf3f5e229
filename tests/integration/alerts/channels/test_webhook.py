"""What a webhook owes everybody else: where it goes, whom it trusts, and how it is signed."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from services.alerts.channels.names import Lookup, Names
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.domain.delivery import Verdict
from services.chassis.secrets import Vault
from tests.blackbox.hub import Misbehaviour, Receiver
from tests.integration.alerts.channels.ways import LOOPBACK, VAULT, parcel, sealed, settings
from tests.support.certificates import self_signed
from tests.support.servers import free_port, until

NEW, OLD, OTHER = (f"whsec_{each * 32}" for each in "ABC")


@asynccontextmanager
async def webhook(
    *, allowed: Any = LOOPBACK, names: Names | None = None, timeout_s: float = 10.0
) -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel(VAULT, allowed, names or Names(), timeout_s=timeout_s)
    try:
        yield channel
    finally:
        await channel.close()


async def send(channel: WebhookChannel, receiver: Receiver, url: str | None = None) -> tuple[Verdict, str | None]:
    known = receiver.channel("clyde-arc")
    return await post(channel, url or known["url"], known["secret"])


async def post(channel: WebhookChannel, url: str, secret: str = NEW, **fields: Any) -> tuple[Verdict, str | None]:
    sending = parcel("webhook", url=url, secret_encrypted=sealed(secret), **fields)
    outcome = await channel.send(sending, datetime.now(UTC))
    return outcome.verdict, outcome.detail


# -- where it goes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_not_reached_by_whatever_name(receiver: Receiver, host: str) -> None:
    async with webhook(allowed=()) as channel:
        verdict, detail = await send(channel, receiver, f"http://{host}:{receiver.port}/hubs/clyde-arc")
    assert (verdict, "address not allowed" in (detail or "")) == ("permanent", True)
    assert receiver.deliveries == []


async def test_a_redirect_is_not_followed_and_is_final(receiver: Receiver) -> None:
    receiver.plan("TC-000123", 307)
    async with webhook() as channel:
        assert await send(channel, receiver) == ("permanent", "HTTP 307")
    assert receiver.followed_redirects == 0


@pytest.mark.parametrize("url", ["http://", "no url", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/"])
async def test_what_is_no_url_is_final(receiver: Receiver, url: str) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, url))[0] == "permanent"


# -- names --------------------------------------------------------------------------------------------------------------


async def test_a_name_that_resolves_to_nothing_may_yet(receiver: Receiver) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, "http://nowhere.invalid/"))[0] == "transient"


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
async def test_a_name_that_no_name_server_is_asked_is_an_outcome_too(receiver: Receiver, host: str) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, f"http://{host}/"))[0] in {"transient", "permanent"}


def name_server(silent_for: str, until_set: threading.Event) -> Lookup:
    """Says that every name is this host's, and of one says nothing."""

    def look_up(host: str, port: int, **_: Any) -> Sequence[tuple[Any, ...]]:
        if silent_for in host:
            until_set.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    return look_up


async def test_names_that_hang_hold_up_no_other_hub(receiver: Receiver) -> None:
    over = threading.Event()
    names = Names(name_server("hung", over))
    async with webhook(names=names, timeout_s=20) as channel:
        hung = [asyncio.create_task(send(channel, receiver, f"http://hung-{n}.example/")) for n in range(100)]
        await until(lambda: threading.active_count() > 100, what="a hundred look-ups that hang")
        url = f"http://arc.example:{receiver.port}/hubs/clyde-arc"
        assert await send(channel, receiver, url) == ("delivered", None)
        assert not any(each.done() for each in hung), "they hang still"
        over.set()
        assert {verdict for verdict, _ in await asyncio.gather(*hung)} == {"transient"}


async def test_a_hub_is_reached_where_it_last_was_while_its_name_server_is_away(receiver: Receiver) -> None:
    over, away = threading.Event(), threading.Event()
    known, unknown = name_server("nobody", over), name_server("", over)

    def look_up(host: str, port: int, **more: Any) -> Sequence[tuple[Any, ...]]:
        return unknown(host, port, **more) if away.is_set() else known(host, port, **more)

    names = Names(look_up, patience_s=0.1)
    url = f"http://arc.example:{receiver.port}/hubs/clyde-arc"
    async with webhook(names=names) as channel:
        assert await send(channel, receiver, url) == ("delivered", None)
    away.set()
    async with webhook(names=names, timeout_s=30) as channel:  # which remembers no connection
        assert await send(channel, receiver, url) == ("delivered", None)  # nobody answers
        over.set()
        await channel.close()
        assert await send(channel, receiver, url) == ("delivered", None)  # there is no such name


async def test_an_address_that_is_remembered_must_still_be_allowed(receiver: Receiver) -> None:
    names = Names(name_server("nobody", threading.Event()))
    await names.resolve("arc.example", receiver.port)
    async with webhook(allowed=(), names=names) as channel:
        assert (await send(channel, receiver, f"http://arc.example:{receiver.port}/"))[0] == "permanent"
    assert receiver.deliveries == []


# -- whom it trusts -----------------------------------------------------------------------------------------------------


async def test_a_certificate_that_nobody_we_trust_has_signed_is_refused(tmp_path: Path) -> None:
    _, context = self_signed(tmp_path)
    asked: list[str] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        async with webhook() as channel:
            assert await post(channel, f"https://localhost:{port}/") == (
                "transient",
                "ClientConnectorCertificateError",
            )
    finally:
        await runner.cleanup()
    assert asked == []


async def test_what_speaks_no_tls_is_not_spoken_to(receiver: Receiver) -> None:
    async with webhook() as channel:
        assert (await send(channel, receiver, f"https://127.0.0.1:{receiver.port}/"))[0] == "transient"
    assert receiver.deliveries == []


# -- signatures ---------------------------------------------------------------------------------------------------------


async def signed(previous: bytes | None) -> tuple[bytes, dict[str, str]]:
    """What arrives while the secret before `NEW` is `previous`."""
    arrived: list[tuple[bytes, dict[str, str]]] = []

    async def take(request: web.Request) -> web.Response:
        arrived.append((await request.read(), {name.lower(): value for name, value in request.headers.items()}))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with webhook() as channel:
            verdict, _ = await post(channel, f"http://127.0.0.1:{port}/", previous_secret_encrypted=previous)
    finally:
        await runner.cleanup()
    assert verdict == "delivered"
    return arrived[0]


async def test_while_a_secret_is_changed_a_hub_that_knows_either_can_verify() -> None:
    body, headers = await signed(sealed(OLD))
    assert [each[:3] for each in headers["webhook-signature"].split()] == ["v1,", "v1,"]
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


@pytest.mark.parametrize("previous", [None, b"unreadable", Vault("quite another passphrase").encrypt(OLD.encode())])
async def test_a_secret_before_that_is_gone_leaves_one_signature(previous: bytes | None) -> None:
    body, headers = await signed(previous)
    assert len(headers["webhook-signature"].split()) == 1
    assert Webhook(NEW).verify(body, headers) == json.loads(body)


async def test_a_secret_of_another_key_is_ours_to_mend(receiver: Receiver) -> None:
    known = receiver.channel("clyde-arc")
    foreign = Vault("quite another passphrase").encrypt(known["secret"].encode())
    async with webhook() as channel:
        sending = parcel("webhook", url=known["url"], secret_encrypted=foreign)
        outcome = await channel.send(sending, datetime.now(UTC))
    assert (outcome.verdict, known["secret"] in repr(outcome)) == ("transient", False)


# -- answers ------------------------------------------------------------------------------------------------------------


async def test_a_200_counts_whatever_drips_after_it(receiver: Receiver) -> None:
    receiver.plan("TC-000123", Misbehaviour.DRIP)
    async with webhook(timeout_s=30) as channel:
        assert await send(channel, receiver) == ("delivered", None)


async def test_a_connection_that_the_hub_closed_meanwhile_costs_no_retry(receiver: Receiver) -> None:
    receiver.plan("TC-000123", Misbehaviour.RESET)
    async with webhook() as channel:
        assert (await send(channel, receiver))[0] in {"delivered", "transient"}
        assert (await send(channel, receiver))[0] == "delivered"


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_refusal_is_about_this_attempt_and_the_next_is_made_all_the_same(
    receiver: Receiver, status: int
) -> None:
    receiver.plan("TC-000123", status)
    async with webhook() as channel:
        assert await send(channel, receiver) == ("permanent", f"HTTP {status}")
        assert await send(channel, receiver) == ("delivered", None)


def test_neither_secret_nor_text_shows_when_a_parcel_is_printed() -> None:
    shown = repr(
        parcel("webhook", url="https://hub.example/alarms", secret_encrypted=sealed(NEW), address_encrypted=b"gAAAAx")
    )
    assert not any(word in shown for word in ("hub.example", "whsec", "gAAAA", "bathroom"))


def test_settings_read_the_networks_that_webhooks_may_reach() -> None:
    read = settings(webhook_allow_cidrs="127.0.0.0/8, ::1/128")
    assert [str(each) for each in read.webhook_allow_cidrs] == ["127.0.0.0/8", "::1/128"]
