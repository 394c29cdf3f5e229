"""Units that nobody registered are heard, below their own council, no faster than they may, and end nobody's session."""

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mqtt5
import pytest
from structlog.testing import capture_logs

from services.chassis.mqtt import MqttUrl
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import Vault
from services.chassis.settings import SettingsError
from services.registry.broker.room import PURPOSE
from services.registry.gate import gate, passing
from services.registry.gate.enrolment import create_enrolment, revoke_enrolment
from tests.integration.registry.broker.secured import Secured
from tests.integration.registry.identity.town import SECRET_KEY
from tests.support.certificates import Authority, self_signed
from tests.support.outsider import Outsider, outsider
from tests.support.waiting import until

pytestmark = pytest.mark.real_stack

ROOT = "telecare/v1"
GLASGOW = f"{ROOT}/devices/glasgow-city"
USER = "enrolment:glasgow-city"
Gated = tuple[Secured, int]


async def enrol(secured: Secured, council: str = "glasgow-city") -> str:
    async with borrow(secured.town.pool) as connection:
        key = Vault(SECRET_KEY).key(PURPOSE)
        password = await create_enrolment(connection, council, key, actor="isla", now=datetime.now(UTC))
    assert password is not None
    await secured.told()
    return password


def heard_at(port: int, password: str, client_id: str, topic: str, v5: bool) -> None:
    with outsider(port, USER, password, client_id, v5=v5) as unit:
        assert unit.let_in
        unit.publish(topic, b"x")


@pytest.mark.parametrize("v5", [True, False])
async def test_a_unit_that_nobody_registered_is_heard_below_its_council_only(gated: Gated, *, v5: bool) -> None:
    secured, port = gated
    password = await enrol(secured)
    with secured.service() as us:
        for lane in ("heartbeat", "alarm", "status"):
            assert us.may_subscribe(f"{ROOT}/devices/+/+/{lane}")
        for topic in (
            f"{ROOT}/devices/fife/NEW-1/alarm",
            f"{GLASGOW}/NEW-2/alarm",
            f"{GLASGOW}/NEW-1/receipt",
            f"{ROOT}/hubs/clyde-arc/actions",
            "$CONTROL/dynamic-security/v1",
        ):
            await asyncio.to_thread(heard_at, port, password, "NEW-1", topic, v5)
        await asyncio.to_thread(heard_at, port, password, "NEW-1", f"{GLASGOW}/NEW-1/alarm", v5)
        assert us.heard() == (f"{GLASGOW}/NEW-1/alarm", b"x")


async def test_the_councils_credential_opens_the_gate_and_not_the_broker(gated: Gated) -> None:
    secured, port = gated
    password = await enrol(secured)
    assert not await secured.lets_in(USER, password, "NEW-1")

    def lets_in(user: str, word: str, client_id: str = "NEW-1") -> bool:
        with outsider(port, user, word, client_id) as unit:
            return unit.let_in

    assert await asyncio.to_thread(lets_in, USER, password)
    for user, word in ((USER, "wrong"), ("enrolment:fife", password), ("telecare", password), ("NEW-1", password)):
        assert not await asyncio.to_thread(lets_in, user, word)


async def test_a_unit_that_borrows_a_devices_name_ends_no_session_and_is_not_heard_for_it(gated: Gated) -> None:
    secured, port = gated
    own, password = await secured.provisioned("TC-A"), await enrol(secured)

    def borrow_names(device: Outsider) -> None:
        with outsider(port, USER, password, "TC-A") as thief:
            assert not thief.let_in
        with outsider(port, USER, password, "witness") as thief:  # the client id of one of ours
            assert thief.let_in
        assert device.may_subscribe(f"{GLASGOW}/TC-A/receipt")

    with secured.service() as us, secured.outside("TC-A", own) as device:
        await asyncio.to_thread(borrow_names, device)
        us.publish(f"{GLASGOW}/TC-A/receipt", b"still there")
        assert device.heard() == (f"{GLASGOW}/TC-A/receipt", b"still there")
        assert device.is_connected


@pytest.mark.parametrize("v5", [True, False])
async def test_a_unit_hears_nothing_but_its_own_receipts(gated: Gated, *, v5: bool) -> None:
    """Whatever else it asks for is refused, in its place; its session goes on."""
    secured, port = gated
    password = await enrol(secured)
    patterns = (
        "#",
        f"{GLASGOW}/#",
        f"{GLASGOW}/+/receipt",
        f"{GLASGOW}/NEW-2/receipt",
        f"{ROOT}/devices/fife/NEW-1/receipt",
        f"{GLASGOW}/NEW-1/command",
        f"{GLASGOW}/NEW-1/+",
        f"{GLASGOW}/NEW-1/alarm",
        f"{ROOT}/devices/+/+/alarm",
        "$SYS/#",
        *((f"$share/thieves/{GLASGOW}/NEW-1/receipt",) if v5 else ()),
    )

    def listen(us: Outsider) -> None:
        with (
            outsider(port, USER, password, "NEW-1", v5=v5) as unit,
            outsider(port, USER, password, "NEW-2", v5=v5) as other,
        ):
            for pattern in patterns:
                assert not unit.may_subscribe(pattern), pattern
            assert other.may_subscribe(f"{GLASGOW}/NEW-2/receipt")
            us.publish(f"{GLASGOW}/NEW-2/receipt", b"for the other")
            assert other.heard() == (f"{GLASGOW}/NEW-2/receipt", b"for the other")
            assert unit.may_subscribe(f"{GLASGOW}/NEW-1/receipt")
            us.publish(f"{GLASGOW}/NEW-1/receipt", b"its own")
            assert unit.heard() == (f"{GLASGOW}/NEW-1/receipt", b"its own")
            assert unit.is_connected

    with secured.service() as us:
        await asyncio.to_thread(listen, us)


@pytest.mark.parametrize("v5", [True, False])
async def test_a_unit_that_nobody_registered_is_told_that_its_alarm_was_stored(
    gated_and_heard: Gated, *, v5: bool
) -> None:
    """It would say it again for ever otherwise. Asked for at once with what it may not hear, as boxes do."""
    secured, port = gated_and_heard
    password = await enrol(secured)
    alarm = {"boot_id": "b-1", "seq": 7, "sent_at": datetime.now(UTC).isoformat(), "kind": "fall"}

    def cry() -> dict[str, Any]:
        with outsider(port, USER, password, "NEW-1", v5=v5) as unit:
            unit.paho.subscribe([(f"{GLASGOW}/NEW-1/command", 1), (f"{GLASGOW}/NEW-1/receipt", 1)])
            unit.publish(f"{GLASGOW}/NEW-1/alarm", json.dumps(alarm).encode())
            said = unit.heard(60)
        assert said is not None
        assert said[0] == f"{GLASGOW}/NEW-1/receipt"
        receipt: dict[str, Any] = json.loads(said[1])
        return receipt

    receipt = await asyncio.to_thread(cry)
    assert (receipt["boot_id"], receipt["seq"], receipt["state"]) == ("b-1", 7, "stored")


async def test_over_tls_a_unit_is_heard_and_one_that_trusts_another_authority_says_nothing(
    gated_by_tls: tuple[Secured, int, Path], tmp_path: Path
) -> None:
    secured, port, certificate = gated_by_tls
    password = await enrol(secured)
    stranger = Authority(tmp_path, "stranger").certificate

    def speak() -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            Outsider(port, USER, password, "NEW-1", ca=stranger)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.sendall(mqtt5.ConnectPacket("NEW-1", username=USER, password=password.encode()).write())
            assert plain.recv(1) in {b"", b"\x15"}, "whoever speaks no TLS is sent away, at most with its alert"
        with outsider(port, USER, password, "NEW-1", ca=certificate) as unit:
            assert unit.let_in
            unit.publish(f"{GLASGOW}/NEW-1/alarm")

    with secured.service() as us:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        await asyncio.to_thread(speak)
        assert us.heard() == (f"{GLASGOW}/NEW-1/alarm", b"x")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of certificates are looked at more often than once a minute."""
    monkeypatch.setattr("services.chassis.http.tls._EVERY_S", 0.1)


@pytest.mark.usefixtures("often")
async def test_a_renewed_certificate_is_presented_at_the_gate_without_a_restart(
    gated_by_tls: tuple[Secured, int, Path],
) -> None:
    _, port, certificate = gated_by_tls

    async def presented() -> str:
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=30)

    before = await presented()
    self_signed(certificate.parent)

    async def renewed() -> bool:
        return await presented() != before

    await until(renewed, 60)
    assert await presented() == certificate.read_text()


async def test_a_unit_that_floods_is_slowed_down_and_loses_nothing(gated: Gated) -> None:
    secured, port = gated
    password = await enrol(secured)

    def flood() -> float:
        with outsider(port, USER, password, "NEW-1") as unit:
            began_at = time.monotonic()
            for number in range(34):
                unit.publish(f"{GLASGOW}/NEW-1/heartbeat", str(number).encode())
            return time.monotonic() - began_at

    with secured.service() as us:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/heartbeat")
        took_s = await asyncio.to_thread(flood)
        assert took_s > 3  # thirty at once, then one a second
        assert [us.heard() for _ in range(34)] == [(f"{GLASGOW}/NEW-1/heartbeat", str(n).encode()) for n in range(34)]


async def test_a_credential_that_is_revoked_ends_what_came_by_it(gated: Gated) -> None:
    secured, port = gated
    password = await enrol(secured)
    unit = await asyncio.to_thread(Outsider, port, USER, password, "NEW-1")
    try:
        assert unit.let_in
        async with borrow(secured.town.pool) as connection:
            assert await revoke_enrolment(connection, "glasgow-city", datetime.now(UTC))
        await asyncio.to_thread(unit.ended)
    finally:
        await asyncio.to_thread(unit.close)
    await secured.unknown(USER)


async def test_a_flood_of_heartbeats_delays_no_alarm_of_others_nor_of_the_unit_itself(gated: Gated) -> None:
    """Twenty units use up their council's measure and their own."""
    secured, port = gated
    password = await enrol(secured)

    def flood_then_alarm() -> None:
        with contextlib.ExitStack() as stack:
            units = [stack.enter_context(outsider(port, USER, password, f"NEW-{n}")) for n in range(20)]
            for number, unit in enumerate(units):
                for _ in range(60):
                    unit.publish(f"{GLASGOW}/NEW-{number}/heartbeat", qos=0)
            with outsider(port, USER, password, "NEW-20") as quiet:
                for unit, number in ((quiet, 20), (units[0], 0)):
                    began_at = time.monotonic()
                    unit.publish(f"{GLASGOW}/NEW-{number}/alarm")
                    # Thirty heartbeats stand before it, one a second; some have gone while it was slow to send them.
                    assert time.monotonic() - began_at < 20
            for unit in units:  # cut off, with what they still hold: they have said enough
                line = unit.paho.socket()
                assert line is not None
                line.close()

    with secured.service() as us:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        await asyncio.to_thread(flood_then_alarm)
        assert {us.heard() for _ in range(2)} == {(f"{GLASGOW}/NEW-20/alarm", b"x"), (f"{GLASGOW}/NEW-0/alarm", b"x")}


async def test_half_open_connections_of_one_address_keep_no_other_units_alarm_from_being_heard(
    gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello_s = 8.0  # and not three: a machine may pause for five
    monkeypatch.setattr(gate, "_HELLO_S", hello_s)
    secured, port = gated
    password = await enrol(secured)

    def hold_and_alarm() -> None:
        with contextlib.ExitStack() as stack:

            def knock() -> socket.socket:
                return stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), timeout=30, source_address=("127.0.0.2", 0))
                )

            held = [knock() for _ in range(20)]
            for _ in range(200):
                assert knock().recv(1) == b"", "one address has so many places and no more"
            began_at = time.monotonic()
            with outsider(port, USER, password, "NEW-1") as unit:
                assert unit.let_in
                unit.publish(f"{GLASGOW}/NEW-1/alarm")
            assert time.monotonic() - began_at < hello_s - 1, "nobody waits for those who say nothing"
            assert held[0].recv(1) == b"", "who says nothing is not waited for"
            assert time.monotonic() - began_at < 30

    with secured.service() as us:
        assert us.may_subscribe(f"{ROOT}/devices/+/+/alarm")
        await asyncio.to_thread(hold_and_alarm)
        assert us.heard() == (f"{GLASGOW}/NEW-1/alarm", b"x")


async def test_a_unit_that_keeps_not_its_own_promise_to_speak_is_ended(gated: Gated) -> None:
    """By the gate. A promise of each second would be broken by a machine that stands still before the unit is let in."""
    secured, port = gated
    password = await enrol(secured)

    def fall_silent() -> None:
        hello = mqtt5.ConnectPacket("NEW-1", username=USER, password=password.encode(), keep_alive=4).write()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as unit:
            unit.sendall(hello)
            assert unit.recv(1) == b"\x20"
            while unit.recv(1024):
                pass

    await asyncio.to_thread(fall_silent)


async def test_a_unit_that_has_a_credential_of_its_own_speaks_by_the_councils_no_longer(
    gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured, port = gated
    password = await enrol(secured)
    monkeypatch.setattr(passing, "_LOOKED_UP_EVERY_S", 0.0)
    unit = await asyncio.to_thread(Outsider, port, USER, password, "TC-A")
    try:
        await asyncio.to_thread(unit.publish, f"{GLASGOW}/TC-A/alarm")
        assert unit.is_connected
        await secured.provisioned("TC-A")
        await asyncio.to_thread(unit.publish, f"{GLASGOW}/TC-A/heartbeat")
        await asyncio.to_thread(unit.ended)
    finally:
        await asyncio.to_thread(unit.close)


async def test_of_two_registries_on_a_host_the_second_waits_and_takes_the_gate_when_it_is_free(gated: Gated) -> None:
    secured, port = gated
    password = await enrol(secured)
    key = Vault(SECRET_KEY).key(PURPOSE)

    def another() -> gate.Gate:
        return gate.Gate(
            secured.town.pool, MqttUrl.parse(secured.settings.mqtt_url.get_secret_value()), key, "127.0.0.1", 0
        )

    first, second = another(), another()
    serving = asyncio.create_task(first.run())
    second.port = await first.bound
    with capture_logs() as logged:
        waiting = asyncio.create_task(second.run())
        found = await until(lambda: of_gates(logged), what="the second to have met the first")
    assert [(line["event"], line["log_level"]) for line in found] == [("enrolment_gate_waits", "warning")]
    assert not waiting.done()
    serving.cancel()
    assert await asyncio.wait_for(second.bound, 60) == second.port
    await asyncio.to_thread(heard_at, second.port, password, "NEW-1", f"{GLASGOW}/NEW-1/heartbeat", True)
    waiting.cancel()
    await asyncio.gather(serving, waiting, return_exceptions=True)
    assert port != second.port


def of_gates(logged: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """And not what the registry logs beside them."""
    return [line for line in logged if "gate" in line["event"]]


async def test_a_gate_that_cannot_open_names_its_own_setting(gated: Gated) -> None:
    secured, _ = gated
    nowhere = gate.Gate(secured.town.pool, MqttUrl.parse("mqtt://127.0.0.1"), b"", "192.0.2.7", 8884)
    with pytest.raises(SettingsError, match=r"TELECARE_GATE_LISTEN: nothing can listen on 192\.0\.2\.7:8884"):
        await nowhere.run()
