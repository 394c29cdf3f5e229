"""What a device, a claim and a stranger can do at the broker: tried from the outside, with paho and mosquitto_pub."""

import asyncio
import subprocess
from dataclasses import dataclass

import pytest

from tests.integration.registry.broker.secured import SERVICE, Secured
from tests.support.outsider import Outsider
from tests.support.stack import STACK

pytestmark = pytest.mark.real_stack

ROOT = "telecare/v1"
GLASGOW = f"{ROOT}/devices/glasgow-city"


@dataclass
class Two:
    """Two homes, each with a device of its own."""

    secured: Secured
    a: str
    b: str


@pytest.fixture
async def two(secured: Secured) -> Two:
    return Two(secured, await secured.provisioned("TC-A"), await secured.provisioned("TC-B"))


@pytest.mark.parametrize("v5", [True, False])
async def test_a_device_does_what_a_device_does(two: Two, *, v5: bool) -> None:
    with two.secured.service() as us, two.secured.outside("TC-A", two.a, v5=v5) as device:
        for lane in ("heartbeat", "alarm", "status"):
            assert us.may_subscribe(f"{ROOT}/devices/+/+/{lane}")
            device.publish(f"{GLASGOW}/TC-A/{lane}", lane.encode())
            assert us.heard() == (f"{GLASGOW}/TC-A/{lane}", lane.encode())
        for lane in ("receipt", "command"):
            assert device.may_subscribe(f"{GLASGOW}/TC-A/{lane}")
            us.publish(f"{GLASGOW}/TC-A/{lane}", lane.encode())
            assert device.heard() == (f"{GLASGOW}/TC-A/{lane}", lane.encode())
        # Its council was corrected in the registry, and nobody has told the box.
        device.publish(f"{ROOT}/devices/fife/TC-A/alarm", b"moved")
        assert us.heard() == (f"{ROOT}/devices/fife/TC-A/alarm", b"moved")


FOREIGN = [
    f"{GLASGOW}/TC-B/heartbeat",
    f"{GLASGOW}/TC-B/alarm",
    f"{GLASGOW}/TC-B/status",
    f"{ROOT}/devices/fife/TC-B/alarm",
    f"{GLASGOW}/TC-A/receipt",
    f"{GLASGOW}/TC-A/command",
    f"{GLASGOW}/TC-B/receipt",
    f"{GLASGOW}/TC-B/command",
    f"{GLASGOW}/%u/alarm",
    f"{GLASGOW}/TC-A/alarm/more",
    f"{ROOT}/hubs/clyde-arc/notifications",
    f"{ROOT}/hubs/clyde-arc/actions",
    f"{ROOT}/provisioning/SN-TC-B/request",
    f"{ROOT}/provisioning/SN-TC-A/response",
]


@pytest.mark.parametrize("v5", [True, False])
async def test_a_device_publishes_nowhere_else(two: Two, *, v5: bool) -> None:
    """Over 3.1.1 a refusal is a PUBACK like any other: so everybody listens who might hear it."""
    with two.secured.service() as us, two.secured.outside("TC-B", two.b) as other:
        for lane in ("heartbeat", "alarm", "status"):
            assert us.may_subscribe(f"{ROOT}/devices/+/+/{lane}")
        assert us.may_subscribe(f"{ROOT}/hubs/+/actions")
        assert us.may_subscribe(f"{ROOT}/provisioning/+/request")
        for lane in ("receipt", "command"):
            assert other.may_subscribe(f"{GLASGOW}/TC-B/{lane}")
        for topic in FOREIGN:
            for qos in (0, 1):
                for retain in (False, True):
                    with two.secured.outside("TC-A", two.a, v5=v5) as device:
                        device.publish(topic, b"forged", qos=qos, retain=retain)
        with two.secured.outside("TC-A", two.a, v5=v5) as device:
            device.publish(f"{GLASGOW}/TC-A/heartbeat", b"the last")
        assert us.heard() == (f"{GLASGOW}/TC-A/heartbeat", b"the last")
        us.publish(f"{GLASGOW}/TC-B/receipt", b"for B")
        assert other.heard() == (f"{GLASGOW}/TC-B/receipt", b"for B")


SECRET = [
    "#",
    "+/#",
    f"{ROOT}/#",
    f"{ROOT}/devices/#",
    f"{ROOT}/devices/+/+/receipt",
    f"{GLASGOW}/+/receipt",
    f"{GLASGOW}/TC-B/receipt",
    f"{GLASGOW}/TC-B/command",
    f"{GLASGOW}/TC-A/#",
    f"{GLASGOW}/TC-A/+",
    f"{GLASGOW}/TC-B/alarm",
    f"{ROOT}/hubs/+/notifications",
    f"{ROOT}/hubs/clyde-arc/notifications",
    f"{ROOT}/provisioning/+/response",
    f"{ROOT}/provisioning/SN-TC-B/response",
    "$SYS/#",
    "$SYS/broker/uptime",
    "$CONTROL/#",
    "$CONTROL/dynamic-security/v1/response",
    "$share/thieves/#",
    f"$share/thieves/{GLASGOW}/TC-B/receipt",
]


@pytest.mark.parametrize("v5", [True, False])
async def test_a_device_hears_nothing_but_what_is_for_it(two: Two, *, v5: bool) -> None:
    with two.secured.outside("TC-A", two.a, v5=v5) as device:
        for pattern in SECRET:
            if v5 or not pattern.startswith("$share"):
                assert not device.may_subscribe(pattern), pattern
        with two.secured.service() as us:
            us.publish(f"{GLASGOW}/TC-B/receipt", b"for B")
            us.publish(f"{ROOT}/hubs/clyde-arc/notifications", b"for the hub")
            assert device.may_subscribe(f"{GLASGOW}/TC-A/receipt")
            us.publish(f"{GLASGOW}/TC-A/receipt", b"for A")
        assert device.heard() == (f"{GLASGOW}/TC-A/receipt", b"for A")


async def test_a_device_cannot_end_anothers_session(two: Two) -> None:
    with two.secured.outside("TC-B", two.b) as other:
        for user, password in (("TC-A", two.a), ("TC-B", two.a), (None, None), ("TC-B", ""), ("nobody", "x")):
            with two.secured.outside(user, password, "TC-B") as thief:
                assert not thief.let_in
        assert other.may_subscribe(f"{GLASGOW}/TC-B/receipt")
        with two.secured.service() as us:
            us.publish(f"{GLASGOW}/TC-B/receipt", b"still there")
        assert other.heard() == (f"{GLASGOW}/TC-B/receipt", b"still there")
        assert other.is_connected


async def test_a_device_cannot_end_the_session_of_one_of_our_services(two: Two) -> None:
    with two.secured.service() as us, two.secured.outside("TC-A", two.a, "witness") as thief:
        assert not thief.let_in
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        assert us.is_connected


async def test_a_device_cannot_change_who_may_come(two: Two) -> None:
    body = b'{"commands":[{"command":"createClient","username":"mallory","password":"m"}]}'
    with two.secured.outside("TC-A", two.a, v5=False) as device:
        device.publish("$CONTROL/dynamic-security/v1", body)
        device.publish("$SYS/broker/log/N", b"all is well")
    with two.secured.outside(*SERVICE, "not-the-keeper", v5=False) as us:
        us.publish("$CONTROL/dynamic-security/v1", body)
    assert await two.secured.client("mallory") is None


async def test_the_last_word_of_a_device_is_its_own_status_and_nobody_elses(two: Two) -> None:
    """The will is published by the broker: it asks the same rules."""
    with two.secured.service() as us:
        for lane in ("heartbeat", "status"):
            assert us.may_subscribe(f"{ROOT}/devices/+/+/{lane}")
        for topic in (f"{GLASGOW}/TC-B/status", f"{GLASGOW}/TC-A/status"):
            await asyncio.to_thread(_speaks_and_dies, two, us, topic)
        assert us.heard() == (f"{GLASGOW}/TC-A/status", b"offline")


def _speaks_and_dies(two: Two, us: Outsider, will_topic: str) -> None:
    """Killed once it was heard, and so it says no farewell."""
    heartbeat = f"{GLASGOW}/TC-A/heartbeat"
    who = ("-p", str(two.secured.port), "-i", "TC-A", "-u", "TC-A", "-P", two.a)
    says = ("-t", heartbeat, "-m", "x", "-q", "0", "--repeat", "2", "--repeat-delay", "600")
    will = ("--will-topic", will_topic, "--will-payload", "offline")
    argv = STACK.argv("nobody", "mosquitto_pub", "-h", "127.0.0.1", *who, *says, *will)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/") as device:
        try:
            assert us.heard() == (heartbeat, b"x")
            assert device.poll() is None
        finally:
            device.kill()


async def test_whoever_holds_a_claim_may_ask_and_nothing_else(secured: Secured) -> None:
    await secured.town.device("TC-A")
    await secured.town.device("TC-B")
    claim, other = await secured.claim("TC-A"), await secured.claim("TC-B")
    name = "claim:SN-TC-A"
    assert not await secured.lets_in(name, claim.code, "TC-A")  # as a device it evicts nobody
    assert not await secured.lets_in(name, other.code)
    assert not await secured.lets_in("TC-A", claim.code)
    with secured.service() as us, secured.outside(name, claim.code) as holder:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        assert us.may_subscribe(f"{ROOT}/provisioning/+/request")
        for pattern in (*SECRET, f"{ROOT}/provisioning/SN-TC-B/response", f"{GLASGOW}/TC-A/receipt"):
            assert not holder.may_subscribe(pattern), pattern
        assert holder.may_subscribe(f"{ROOT}/provisioning/SN-TC-A/response")
        for topic in (
            f"{GLASGOW}/TC-A/alarm",
            f"{ROOT}/provisioning/SN-TC-B/request",
            f"{ROOT}/provisioning/SN-TC-A/response",
        ):
            with secured.outside(name, claim.code, v5=False) as other_holder:
                other_holder.publish(topic, b"forged")
    with secured.service() as us, secured.outside(name, claim.code) as holder:
        assert us.may_subscribe(f"{ROOT}/provisioning/+/request")
        holder.publish(f"{ROOT}/provisioning/SN-TC-A/request", b"{}")
        assert us.heard() == (f"{ROOT}/provisioning/SN-TC-A/request", b"{}")


async def test_a_stranger_is_not_let_in(secured: Secured) -> None:
    for user, password in ((None, None), ("", ""), ("admin", "admin"), ("TC-1", "TC-1"), ("claim:SN-TC-1", "")):
        with secured.outside(user, password, "stranger") as stranger:
            assert not stranger.let_in


async def test_mosquitto_pub_is_a_device_too(two: Two) -> None:
    with two.secured.service() as us:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        for topic in (f"{GLASGOW}/TC-B/alarm", f"{GLASGOW}/TC-A/alarm"):
            options = ("-p", str(two.secured.port), "-q", "1", "-i", "TC-A", "-u", "TC-A", "-P", two.a)
            done = await asyncio.to_thread(mosquitto_pub, *options, "-t", topic, "-m", topic)
            assert done == 0
        assert us.heard() == (f"{GLASGOW}/TC-A/alarm", f"{GLASGOW}/TC-A/alarm".encode())


def mosquitto_pub(*arguments: str) -> int:
    """Its exit code."""
    argv = STACK.argv("nobody", "mosquitto_pub", "-h", "127.0.0.1", *arguments)
    return subprocess.run(argv, check=False, capture_output=True, timeout=60, cwd="/").returncode
