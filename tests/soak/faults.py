"""What is done to the service. Each fault is a context manager: it is there while the block runs, and mended afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Final, TypeAlias

from services.simulator.hub import Manners
from tests.soak.fleet import People
from tests.soak.house import House, Service
from tests.support.servers import Broker, DatabaseServer, TcpProxy, until

Inflict: TypeAlias = Callable[[House, People, random.Random], AbstractAsyncContextManager[str]]
"""Yields to whom it happens, and how, for the report."""

_SHARDS: Final = {"ingest": "alarms", "alerts": "hub-actions"}
_HOLDER_SHARE: Final = 0.75  # more often than not it hits the one that works, and not the one that stands by
_NOTICED_S: Final = 60.0  # on a slow machine little is written


class CannotBeMade(Exception):
    """This fault can't be made on this machine."""


async def _victim(house: House, kind: str, rng: random.Random) -> Service:
    others = house.of_kind(kind)
    at_work = await house.worker(_SHARDS[kind]) if rng.random() < _HOLDER_SHARE else None
    return at_work or rng.choice(others)


def _killed(kind: str) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, rng: random.Random) -> AsyncIterator[str]:
        victim = await _victim(house, kind, rng)
        await victim.kill()
        try:
            yield victim.name
        finally:
            await victim.start()

    return inflict


def _stopped(kind: str) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, rng: random.Random) -> AsyncIterator[str]:
        victim = await _victim(house, kind, rng)
        await victim.pause()
        try:
            yield victim.name
        finally:
            await victim.resume()

    return inflict


def _server_killed(of: Callable[[House], Broker | DatabaseServer]) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, _rng: random.Random) -> AsyncIterator[str]:
        await asyncio.to_thread(of(house).kill)
        try:
            yield ""
        finally:
            await asyncio.to_thread(of(house).start)

    return inflict


def _server_stopped(of: Callable[[House], Broker | DatabaseServer]) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, _rng: random.Random) -> AsyncIterator[str]:
        of(house).pause()
        try:
            yield ""
        finally:
            of(house).resume()

    return inflict


def _line_cut(of: Callable[[House], TcpProxy]) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, _rng: random.Random) -> AsyncIterator[str]:
        of(house).cut()
        try:
            yield ""
        finally:
            of(house).restore()

    return inflict


def _line_slow(of: Callable[[House], TcpProxy], delay_s: tuple[float, float]) -> Inflict:
    @asynccontextmanager
    async def inflict(house: House, _people: People, rng: random.Random) -> AsyncIterator[str]:
        for_s = rng.uniform(*delay_s)
        of(house).delay(for_s)
        try:
            yield f"{for_s * 1000:.0f} ms each way"
        finally:
            of(house).restore()

    return inflict


@asynccontextmanager
async def _disk_full(house: House, _people: People, _rng: random.Random) -> AsyncIterator[str]:
    volume = house.volume
    if volume is None:
        raise CannotBeMade(house.no_volume or "the database has no volume of its own")
    before = _refusals(house)
    await asyncio.to_thread(volume.fill)
    try:
        await until(
            lambda: _refusals(house) > before, _NOTICED_S, what="the database to want more of its disk than there is"
        )
        yield volume.kind
    finally:
        await asyncio.to_thread(volume.free)
        await house.database_back()  # a server that can't write its log ends itself


def _refusals(house: House) -> int:
    """How often the database found no space."""
    return house.database_log.read_text(errors="replace").count("No space left on device")


def _hub(manners: Manners) -> Inflict:
    @asynccontextmanager
    async def inflict(_house: House, people: People, rng: random.Random) -> AsyncIterator[str]:
        hub = rng.choice(people.webhook_hubs)
        hub.manners = manners
        try:
            yield hub.config.hub_id
        finally:
            hub.manners = Manners()

    return inflict


@asynccontextmanager
async def _clocks_skewed(_house: House, people: People, rng: random.Random) -> AsyncIterator[str]:
    """Every second box that can call believes it is another day; one of them calls at once."""
    skewed = await people.homes.skew_clocks(rng.getrandbits(32))
    try:
        yield f"{skewed:,} boxes"
    finally:
        await people.homes.set_clocks()


@asynccontextmanager
async def _boxes_cut_off(_house: House, people: People, rng: random.Random) -> AsyncIterator[str]:
    """A mobile network's cell is gone: no box says goodbye, and what is pressed waits in it."""
    cut_off = await people.homes.cut_lines(rng.getrandbits(32))
    try:
        yield f"{cut_off:,} boxes"
    finally:
        await people.homes.mend_lines(rng.getrandbits(32))


def _broker(house: House) -> Broker:
    return house.broker


def _database(house: House) -> DatabaseServer:
    return house.database


FAULTS: Final[Mapping[str, Inflict]] = MappingProxyType(
    {
        "ingest killed": _killed("ingest"),
        "alerts killed": _killed("alerts"),
        "hub hangs": _hub(Manners(hang_share=1.0, hang_s=30.0)),
        "broker killed": _server_killed(_broker),
        "database killed": _server_killed(_database),
        "ingest stopped": _stopped("ingest"),
        "alerts stopped": _stopped("alerts"),
        "broker stopped": _server_stopped(_broker),
        "database stopped": _server_stopped(_database),
        "broker's lines cut": _line_cut(lambda house: house.broker_proxy),
        "broker's lines slow": _line_slow(lambda house: house.broker_proxy, (0.2, 1.0)),
        "boxes' lines cut": _boxes_cut_off,
        "database's lines cut": _line_cut(lambda house: house.database_proxy),
        "database's lines slow": _line_slow(lambda house: house.database_proxy, (0.05, 0.3)),
        "disk full": _disk_full,
        "hub fails": _hub(Manners(fail_share=1.0, fail_status=503)),
        "hub resets": _hub(Manners(reset_share=1.0)),
        "clocks skewed": _clocks_skewed,
    }
)
"""In the order in which a quick run takes them: what takes long to come to light comes early."""
