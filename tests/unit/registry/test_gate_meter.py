"""How much may pass the gate, how many may stand before it, and that nobody takes another's share by giving up."""

import asyncio
import contextlib

import pytest

from services.registry.gate.meter import Kept, Lanes, Meter
from services.registry.gate.places import Full, Places, neighbourhood


async def passes(meter: Meter, units: float = 1.0, *, within_s: float = 60.0) -> bool:
    """Whoever is let pass waits for hundredths of a second; whoever is not, for minutes."""
    try:
        async with asyncio.timeout(within_s):
            await meter.take(units)
    except TimeoutError:
        return False
    return True


async def test_units_that_give_up_while_they_wait_leave_no_debt_to_their_council() -> None:
    meter = Meter(per_s=50.0, burst=10.0)
    await meter.take(10.0)
    waiting = [asyncio.ensure_future(meter.take(9.0)) for _ in range(3000)]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*waiting, return_exceptions=True)
    assert await passes(meter)


async def test_what_is_more_than_a_burst_passes_all_the_same() -> None:
    assert await passes(Meter(per_s=1.0, burst=2.0), units=9.0)


def lanes() -> Lanes:
    return Lanes(Meter(0.001, 1.0), Meter(0.001, 1.0))


async def test_heartbeats_that_have_used_up_their_measure_delay_no_alarm() -> None:
    unit = lanes()
    await unit.others.take(1.0)
    assert not await passes(unit.others, within_s=0.2)
    assert await passes(unit.alarms)


async def test_a_unit_that_comes_again_has_no_new_burst() -> None:
    kept = Kept[str](lanes, most=10)
    await kept.of("NEW-1").others.take(1.0)
    assert not await passes(kept.of("NEW-1").others, within_s=0.2)


async def test_of_any_number_of_units_the_gate_remembers_so_many_and_those_that_owe_before_those_that_do_not() -> None:
    kept = Kept[int](lanes, most=10)
    await kept.of(0).others.take(1.0)
    for number in range(1, 1000):
        kept.of(number)
    assert len(kept._lanes) <= 10
    assert not await passes(kept.of(0).others, within_s=0.2)


def test_one_address_takes_not_everybodys_place_and_gives_back_what_it_had() -> None:
    places = Places(total=3, each=2)
    with places.one("a"), places.one("a"):
        with pytest.raises(Full), places.one("a"):
            pass
        with places.one("b"), pytest.raises(Full), places.one("c"):
            pass
    with places.one("a"), places.one("a"):
        pass


def test_a_subscriber_with_many_ipv6_addresses_is_one() -> None:
    one, other = (neighbourhood((f"2001:db8:0:1::{n}", 1, 0, 0)) for n in (1, 2))
    assert one == other != neighbourhood(("2001:db8:0:2::1", 1, 0, 0))
    assert neighbourhood(("::ffff:192.0.2.1", 1, 0, 0)) == neighbourhood(("192.0.2.1", 1)) == "192.0.2.1"
