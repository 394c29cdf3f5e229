"""What every channel owes the dispatcher, whatever it sends by: an outcome, in time, whatever the far end does."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import uvloop

from services.alerts.channels.email import channel as email
from services.alerts.channels.sms import channel as sms
from services.alerts.domain.delivery import Outcome
from tests.blackbox.box import PRIVATE
from tests.integration.alerts.channels.ways import HUNG_AFTER_S, EmailWay, MqttWay, SmsWay, Way, WebhookWay, raw_server
from tests.support.servers import Broker, until

DETAIL_LENGTH_MAX = 120
PATIENT_S = 60.0  # where the time is not what is tested
_SLACK_S = 8.0  # of a machine that pauses for seconds; a channel that is not told otherwise gives up after ten


@pytest.fixture(params=["webhook", "mqtt", "email", "sms"])
async def way(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Way]:
    """Each channel; and whatever the test did with it, no secret was said."""
    caplog.set_level("DEBUG")
    made: Way
    match request.param:
        case "webhook":
            made = WebhookWay()
        case "mqtt":
            broker: Broker = request.getfixturevalue("broker")
            made = MqttWay(broker)
        case "email":
            made = EmailWay()
        case _:
            made = SmsWay()
    async with made:
        yield made
    printed = capsys.readouterr()
    # The test's own mail server logs what it is told.
    logged = "\n".join(str(each.getMessage()) for each in caplog.records if not each.name.startswith("mail."))
    said = "\n".join([*map(repr, made.outcomes), repr(made.parcel), logged, printed.out, printed.err])
    assert [secret for secret in made.secrets if secret in said] == []
    assert all(len(each.detail or "") <= DETAIL_LENGTH_MAX for each in made.outcomes)


async def test_delivered(way: Way) -> None:
    outcome = await way.send()
    assert (outcome.verdict, outcome.detail) == (way.sent, None)
    await until(lambda: len(way.arrived()) == 1)


async def test_transient(way: Way) -> None:
    await way.fail_for_now()
    failed(await way.send(), "transient")


async def test_permanent(way: Way) -> None:
    await way.refuse_for_good()
    failed(await way.send(), "permanent")


async def test_slow(way: Way) -> None:
    way.channel = await way.towards(way.port, timeout_s=PATIENT_S)
    reached, release = await way.hold()
    sending = asyncio.create_task(way.send())
    async with asyncio.timeout(60):
        await reached.wait()
    assert not sending.done()
    release.set()
    assert (await sending).verdict == way.sent


async def test_hung(way: Way) -> None:
    await way.impatient()
    await way.hold()
    started_at = time.monotonic()
    failed(await way.send(), "transient")
    assert time.monotonic() - started_at < HUNG_AFTER_S + _SLACK_S


async def test_restarted(way: Way) -> None:
    assert (await way.send()).verdict == way.sent
    await way.stop()
    failed(await way.send(attempts=2), "transient")
    await way.start()
    await way.back()
    assert (await way.send(attempts=3)).verdict == way.sent


async def test_duplicate(way: Way) -> None:
    await way.send()
    await way.send()
    await until(lambda: len(way.arrived()) == 2)
    assert len(set(way.arrived())) == 1
    assert "msg_1" in way.arrived()[0]


@pytest.mark.parametrize(
    ("says", "then_closes"),
    [
        (b"", True),
        (b"\x00\xff\x16\x03" * 64, True),
        (f"{PRIVATE}\r\n".encode() * 4000, True),
        (b"HTTP/1.1 600 Strange\r\nContent-Length: -1\r\n\r\n", True),
        (b"220 hello\r\n299 odd\r\n999 odder\r\n", True),
        (b"220-and on it goes\r\n" * 1000, False),
        (b"A" * 65_536, False),
    ],
    ids=["nothing", "bytes", "text", "strange http", "strange smtp", "an endless answer", "an endless line"],
)
async def test_odd(way: Way, says: bytes, then_closes: bool) -> None:
    async with raw_server(says, then_closes=then_closes) as port:
        way.channel = await way.towards(port, timeout_s=HUNG_AFTER_S)
        started_at = time.monotonic()
        failed(await way.send(), "transient", "permanent")
        assert time.monotonic() - started_at < HUNG_AFTER_S + _SLACK_S


def failed(outcome: Outcome, *verdicts: str) -> None:
    """It says so, and why."""
    assert outcome.verdict in verdicts, outcome
    assert outcome.detail


@pytest.mark.parametrize(("made", "at_once_max"), [(EmailWay, email.AT_ONCE_MAX), (SmsWay, sms.AT_ONCE_MAX)])
async def test_a_provider_that_hangs_holds_a_few_sends_and_no_more(made: type[Way], at_once_max: int) -> None:
    """The dispatcher's places are everybody's: a hub's webhook must find one."""
    async with made() as way:
        way.channel = await way.towards(way.port, timeout_s=PATIENT_S)
        holds = [await way.hold() for _ in range(100)]
        sending = [asyncio.create_task(way.send()) for _ in range(100)]
        await until(lambda: sum(each.done() for each in sending) == 100 - at_once_max)
        turned_away = [each.result() for each in sending if each.done()]
        assert {(each.verdict, each.detail) for each in turned_away} == {
            ("transient", "too many are being sent already")
        }
        held = [each for each in sending if not each.done()]
        for _, release in holds:
            release.set()
        assert {outcome.verdict for outcome in await asyncio.gather(*held)} == {way.sent}


@pytest.mark.parametrize("made", [WebhookWay, EmailWay, SmsWay])
def test_delivered_on_the_event_loop_that_production_runs(made: type[Way]) -> None:
    async def story() -> Outcome:
        async with made() as way:
            return await way.send()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(story()).verdict in {"delivered", "awaiting"}
