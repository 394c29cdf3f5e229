"""Texts, through a GOV.UK Notify that behaves as its documentation says."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from services.alerts.channels.names import Names
from services.alerts.channels.sms import SmsChannel
from services.alerts.domain.delivery import Outcome
from services.chassis.secrets import Vault
from tests.blackbox.box import PRIVATE
from tests.integration.alerts.channels.ways import NUMBER, VAULT, HostClock, body, parcel, sealed, sms_channel
from tests.support.notify import SMOKE_TEST_NUMBERS, NotifyServer, Status, error
from tests.support.servers import free_port, until

TEXT = parcel("sms", address_encrypted=sealed(NUMBER))


@pytest.fixture
async def notify() -> AsyncIterator[NotifyServer]:
    server = NotifyServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def channel(notify: NotifyServer) -> AsyncIterator[SmsChannel]:
    channel = sms_channel(notify, public_url="https://telecare.example")
    yield channel
    await channel.close()


async def send(channel: SmsChannel, /, **changes: Any) -> Outcome:
    return await channel.send(replace(TEXT, **changes), datetime.now(UTC))


async def again(channel: SmsChannel, before: Outcome, attempts: int = 2) -> Outcome:
    """The next attempt, with what the one before it left."""
    return await send(channel, attempts=attempts, reference=before.reference)


# -- what is sent -------------------------------------------------------------------------------------------------------


async def test_a_text_says_what_where_and_how_urgent(notify: NotifyServer, channel: SmsChannel) -> None:
    await send(channel)
    (text,) = notify.texts
    assert text.number == NUMBER
    assert text.message.startswith("Priority 1 fall: alarm. Installation GLA-4711, device TC-000123")
    assert "https://telecare.example/console/alarms/" in text.message
    assert PRIVATE not in text.message
    assert text.reference == f"msg_1.{TEXT.channel}"


async def test_a_code_to_verify_a_number_is_texted(notify: NotifyServer, channel: SmsChannel) -> None:
    probe = {"id": "msg_9", "type": "hub.probe", "data": {"verification_code": "042137", "channel_id": "c"}}
    expires_at = datetime(2026, 11, 22, 3, 29, tzinfo=UTC)
    await send(channel, alarm_id=None, type="hub.probe", body=json.dumps(probe), expires_at=expires_at)
    assert "042137, valid until 03:29" in notify.texts[0].message


# -- what becomes of it -------------------------------------------------------------------------------------------------


async def test_what_notify_has_taken_is_not_delivered(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    assert outcome == Outcome("awaiting", None, notify.texts[0].id)


@pytest.mark.parametrize("status", ["created", "sending", "pending"])
async def test_what_notify_is_sending_is_not_delivered(
    notify: NotifyServer, channel: SmsChannel, status: Status
) -> None:
    outcome = await send(channel)
    notify.advance(status)
    assert await again(channel, outcome) == outcome
    assert len(notify.texts) == 1


async def test_it_is_delivered_when_a_telephone_has_it(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    notify.advance("sending")
    outcome = await again(channel, outcome)
    notify.advance("delivered")
    assert (await again(channel, outcome, 3)).verdict == "delivered"
    assert len(notify.texts) == 1


async def test_a_text_that_went_abroad_is_as_delivered_as_anybody_can_say(
    notify: NotifyServer, channel: SmsChannel
) -> None:
    outcome = await send(channel)
    notify.advance("sent")
    assert (await again(channel, outcome)).verdict == "delivered"


async def test_a_number_that_nobody_has_is_final(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    notify.advance("permanent-failure")
    assert await again(channel, outcome) == Outcome("permanent", "Notify: permanent-failure")


@pytest.mark.parametrize("status", ["temporary-failure", "technical-failure"])
async def test_what_failed_for_now_is_sent_anew(notify: NotifyServer, channel: SmsChannel, status: Status) -> None:
    outcome = await send(channel)
    notify.advance(status)
    outcome = await again(channel, outcome)
    assert outcome == Outcome("transient", f"Notify: {status}")
    outcome = await again(channel, outcome, 3)
    assert outcome == Outcome("awaiting", None, notify.texts[1].id)
    notify.advance("delivered")
    assert (await again(channel, outcome, 4)).verdict == "delivered"
    assert len(notify.texts) == 2
    assert len({each.reference for each in notify.texts}) == 1


async def test_a_status_that_nobody_has_documented_is_waited_for(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    notify.advance("held-for-review")  # type: ignore[arg-type]  # as said
    later = await again(channel, outcome)
    assert (later.verdict, later.reference) == ("awaiting", outcome.reference)
    assert "held" not in str(later.detail)


# -- nobody is texted twice for nothing ---------------------------------------------------------------------------------


async def test_a_crash_between_sending_and_writing_that_down_sends_no_second_text(
    notify: NotifyServer, channel: SmsChannel
) -> None:
    lost = await send(channel)
    outcome = await send(channel, attempts=2)
    assert outcome == lost
    assert len(notify.texts) == 1


async def test_a_text_whose_answer_came_too_late_is_found_and_not_sent_again(notify: NotifyServer) -> None:
    channel = sms_channel(notify, timeout_s=6.0)  # in which it must reach Notify, though the machine pause for five
    release = asyncio.Event()
    notify.plan(release)
    late = await send(channel)
    assert (late.verdict, late.reference) == ("transient", None)
    await channel.close()
    await until(notify.reached.is_set)
    release.set()
    await until(lambda: notify.texts, what="the text to be taken, though nobody waits for the answer")
    patient = sms_channel(notify)
    outcome = await again(patient, late)
    assert outcome.verdict == "awaiting"
    assert len(notify.texts) == 1
    await patient.close()


async def test_another_person_is_sent_a_text_of_their_own(notify: NotifyServer, channel: SmsChannel) -> None:
    await send(channel)
    await send(channel, attempts=2, channel=str(uuid.uuid4()))
    assert len({each.reference for each in notify.texts}) == 2


async def test_when_nobody_can_say_whether_it_was_sent_it_is_sent(notify: NotifyServer, channel: SmsChannel) -> None:
    notify.plan(error(500, "Exception", "Internal server error"))
    assert (await send(channel, attempts=2)).verdict == "awaiting"
    assert len(notify.texts) == 1


async def test_a_search_that_hangs_keeps_no_text_from_being_sent(notify: NotifyServer) -> None:
    channel = sms_channel(notify, timeout_s=9)  # of which a search has a third
    notify.plan(asyncio.Event())
    assert (await send(channel, attempts=2)).verdict == "awaiting"
    assert len(notify.texts) == 1
    await channel.close()


async def test_a_text_that_notify_has_forgotten_is_sent_anew(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    notify.texts.clear()
    outcome = await again(channel, outcome)
    assert (outcome.verdict, outcome.reference) == ("transient", None)
    assert (await again(channel, outcome, 3)).verdict == "awaiting"
    assert len(notify.texts) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "RateLimitError"), (500, "Exception"), (403, "AuthError"), (400, "ValidationError")]
)
async def test_a_question_that_is_refused_is_asked_again_and_nothing_sent(
    notify: NotifyServer, channel: SmsChannel, status: int, kind: str
) -> None:
    outcome = await send(channel)
    notify.plan(error(status, kind, "no"))
    later = await again(channel, outcome)
    assert later == Outcome("transient", f"HTTP {status} {kind}", outcome.reference)
    assert len(notify.texts) == 1


async def test_a_question_that_nobody_answers_is_asked_again(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel)
    await notify.stop()
    later = await again(channel, outcome)
    assert (later.verdict, later.reference) == ("transient", outcome.reference)


# -- refusals -----------------------------------------------------------------------------------------------------------


async def test_a_wrong_number_is_final(notify: NotifyServer, channel: SmsChannel) -> None:
    outcome = await send(channel, address_encrypted=sealed("07900 90"))
    assert outcome == Outcome("permanent", "HTTP 400 ValidationError")
    assert notify.texts == []


async def test_a_service_in_trial_mode_is_loud(
    notify: NotifyServer, channel: SmsChannel, capsys: pytest.CaptureFixture[str]
) -> None:
    notify.plan(error(400, "BadRequestError", "Can't send to this recipient when service is in trial mode"))
    assert await send(channel) == Outcome("permanent", "HTTP 400 BadRequestError")
    assert "notify_refuses_us" in capsys.readouterr().out


async def test_too_many_at_once_may_pass(notify: NotifyServer, channel: SmsChannel) -> None:
    notify.per_minute_max = 1
    assert (await send(channel)).verdict == "awaiting"
    assert await send(channel, notification_id="msg_2") == Outcome("transient", "HTTP 429 RateLimitError")


async def test_a_fault_of_notifys_may_pass(notify: NotifyServer, channel: SmsChannel) -> None:
    notify.plan(error(500, "Exception", "Internal server error"))
    assert await send(channel) == Outcome("transient", "HTTP 500 Exception")


async def test_a_clock_that_is_wrong_is_loud_and_may_be_mended(
    notify: NotifyServer, channel: SmsChannel, capsys: pytest.CaptureFixture[str]
) -> None:
    late = datetime.now(UTC) - timedelta(seconds=40)
    outcomes = [await channel.send(TEXT, late), await channel.send(TEXT, late)]
    assert outcomes == [Outcome("transient", "HTTP 403 AuthError")] * 2
    assert capsys.readouterr().out.count("notify_refuses_us") == 1  # a minute
    assert (await send(channel)).verdict == "awaiting"


async def test_a_key_that_is_not_ours_is_ours_to_mend(notify: NotifyServer) -> None:
    other = NotifyServer()
    channel = sms_channel(other, url=notify.url)
    assert await send(channel) == Outcome("transient", "HTTP 403 AuthError")
    await channel.close()


async def test_a_number_of_another_key_is_ours_to_mend(channel: SmsChannel) -> None:
    foreign = Vault("quite another passphrase").encrypt(NUMBER.encode())
    assert (await send(channel, address_encrypted=foreign)).verdict == "transient"


async def test_without_notify_the_refusal_says_what_to_set() -> None:
    channel = SmsChannel(None, VAULT, Names(), HostClock())
    outcome = await send(channel)
    assert outcome.verdict == "permanent"
    assert "TELECARE_NOTIFY_API_KEY" in str(outcome.detail)
    assert "TELECARE_NOTIFY_API_KEY" in str(await channel.probe())
    await channel.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=201, text="thank you"),
        lambda: web.Response(status=201, text="[" * 100_000),
        lambda: web.json_response({"id": "../../v2/template"}, status=201),
        lambda: web.json_response({"id": ["x"]}, status=201),
        lambda: web.json_response({"id": str(uuid.uuid4()), "more": "x" * 2_000_000}, status=201),
    ],
    ids=["words", "deep", "a path", "a list", "huge"],
)
async def test_what_was_taken_with_an_odd_answer_is_looked_for_before_it_is_sent_again(
    notify: NotifyServer, channel: SmsChannel, answer: Any
) -> None:
    notify.plan(answer())
    outcome = await send(channel)
    assert (outcome.verdict, outcome.reference) == ("awaiting", None)
    await again(channel, outcome)
    assert notify.requests[-2:] == ["GET /v2/notifications", "POST /v2/notifications/sms"]


async def test_an_odd_list_of_texts_is_none(notify: NotifyServer, channel: SmsChannel) -> None:
    notify.plan(web.json_response({"notifications": [None, {"id": 7}, {"reference": "x"}]}))
    assert (await send(channel, attempts=2)).verdict == "awaiting"


# -- the numbers and keys for testing -----------------------------------------------------------------------------------


async def test_smoke_test_numbers_are_answered_and_never_delivered(notify: NotifyServer, channel: SmsChannel) -> None:
    number = min(SMOKE_TEST_NUMBERS)
    outcome = await send(channel, address_encrypted=sealed(number))
    assert outcome.verdict == "awaiting"
    later = await send(channel, address_encrypted=sealed(number), attempts=2, reference=outcome.reference)
    assert (later.verdict, later.reference) == ("transient", None)
    assert notify.texts == []


@pytest.mark.parametrize(
    ("number", "verdict"), [(NUMBER, "delivered"), ("07700900002", "permanent"), ("07700900003", "transient")]
)
async def test_a_test_key_tells_at_once_what_becomes_of_a_text(number: str, verdict: str) -> None:
    server = NotifyServer(test_key=True)
    await server.start()
    channel = sms_channel(server)
    outcome = await send(channel, address_encrypted=sealed(number))
    later = await send(channel, address_encrypted=sealed(number), attempts=2, reference=outcome.reference)
    assert later.verdict == verdict
    await channel.close()
    await server.stop()


# -- the probe ----------------------------------------------------------------------------------------------------------


async def test_a_probe_finds_our_key_and_our_template_and_texts_nobody(
    notify: NotifyServer, channel: SmsChannel
) -> None:
    assert await channel.probe() is None
    assert notify.texts == []


async def test_a_probe_says_what_is_wrong(notify: NotifyServer, channel: SmsChannel) -> None:
    notify.template_body = "Hello ((name))"
    assert "((message))" in str(await channel.probe())
    notify.template_id = str(uuid.uuid4())
    assert "HTTP 404 NoResultFound" in str(await channel.probe())
    notify.secret = str(uuid.uuid4())
    assert "HTTP 403 AuthError" in str(await channel.probe())
    await notify.stop()
    assert "does not answer" in str(await channel.probe())


async def test_a_probe_of_a_notify_that_is_not_there_ends() -> None:
    channel = sms_channel(NotifyServer(), url=f"http://127.0.0.1:{free_port()}")
    assert await channel.probe() is not None
    await channel.close()


async def test_a_very_long_reference_of_a_home_still_fits_a_text(notify: NotifyServer, channel: SmsChannel) -> None:
    await send(channel, body=body(installation_ref="É" * 5000))
    assert len(notify.texts[0].message) <= 918
