"""`telecare simulate`: a fleet against any broker, with whatever misbehaviour is asked for, and what became of its alarms."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.ids import DeviceId
from services.chassis.mqtt import MqttUrl
from services.simulator.flaws import FlawMix
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.misbehaviour import Flapping, Misbehaviour, OperatorOutage, PowerCut
from services.simulator.population import DISTRICTS, OPERATORS, Population
from services.simulator.script import play, story
from services.simulator.timing import Timing
from services.simulator.traces import Totals

_PROGRESS_EVERY_S: Final = 5.0
OWN_CONNECTIONS_MAX: Final = 500
_SHARED_CONNECTIONS: Final = 4
_SPAN_S: Final = 240.0  # of a run without an end, when something must happen "in the middle of it"
_HOURS_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """`for_s` None runs until cancelled. Of more than 500 boxes the first 500 can raise alarms; the others only live.

    An outage lasts from a fifth to seven tenths of the run, and a battery a quarter of it (or `battery_life_s`), so that a
    minute shows what takes days. `malformed`, `duplicate` and `lost_receipts` are shares of the messages; `flapping`,
    `clock_skew`, `no_entropy` and `qos_0` of the boxes. `alarms_every_s` None raises none.
    """

    mqtt_url: str = field(repr=False)
    own_urls: Mapping[DeviceId, MqttUrl] = field(default_factory=dict, repr=False)
    boxes: int = 50
    for_s: float | None = 60.0
    heartbeat_interval_s: float = 60.0
    alarms_every_s: float | None = 1.5
    settle_s: float = 15.0  # how long the end waits for receipts that are still to come
    power_cut: str | None = None  # a postcode district
    operator_outage: str | None = None  # a PLMN
    flapping: float = 0.0
    malformed: float = 0.0
    duplicate: float = 0.0
    lost_receipts: float = 0.0
    clock_skew: float = 0.0
    no_entropy: float = 0.0
    qos_0: float = 0.0
    battery_life_s: float | None = None
    seed: int = 1  # of the story; mishaps and boot_ids differ every time

    def __post_init__(self) -> None:
        """ValueError for a place or an operator that no box has: an outage that cuts nothing shows nothing."""
        districts = sorted(district for each in DISTRICTS.values() for district in each)
        if self.power_cut is not None and self.power_cut not in districts:
            raise ValueError(f"no box is in {self.power_cut}; they are in {', '.join(districts)}")
        if self.operator_outage is not None and self.operator_outage not in OPERATORS:
            raise ValueError(f"no box has a SIM of {self.operator_outage}; they are of {', '.join(OPERATORS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of the run."""

    totals: Totals
    took_s: float
    trouble: str | None

    @property
    def is_good(self) -> bool:
        """Whether the fleet was heard at all and every alarm is stored, as far as the boxes know.

        That a box is away at the very end is no fault: flapping and outages are what was asked for.
        """
        return self.totals.heartbeats > 0 and self.totals.stored == self.totals.alarms

    def lines(self) -> Iterator[str]:
        """For a person."""
        totals = self.totals
        yield f"{totals.boxes:,} boxes for {self.took_s:.0f} s: {totals.heartbeats:,} heartbeats"
        yield (
            f"alarms: {totals.alarms:,} raised · {totals.sent:,} sent (and {totals.repeats:,} times again) · "
            f"{totals.stored:,} stored · {totals.notified:,} notified · "
            f"{totals.acknowledged:,} of {totals.needing_person:,} acknowledged · {totals.closed:,} closed"
        )
        yield (
            f"worst delay: stored after {totals.stored_delay_s_max * 1000:,.0f} ms, "
            f"acknowledged after {totals.acknowledged_delay_s_max:,.1f} s"
        )
        if totals.stored < totals.alarms:
            yield f"{totals.alarms - totals.stored:,} alarms have no receipt: is `telecare ingest` running on this broker?"
        if self.trouble is not None:
            yield f"the broker: {self.trouble}"


async def simulate(options: SimulateOptions, out: Callable[[str], None]) -> Summary:
    """Run it, telling `out` line by line. Cancelled, it stops the boxes, tells the summary all the same, and is cancelled.

    Raises ValueError for an MQTT URL that is none.
    """
    fleet = Fleet(_config(options))
    began_at = time.monotonic()
    running = asyncio.create_task(fleet.run())
    playing = asyncio.create_task(_play(options, fleet, out))
    try:
        await asyncio.wait({running, playing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Taken before the boxes hang up: that they are gone afterwards is no news.
        summary = Summary(totals=fleet.totals(), took_s=time.monotonic() - began_at, trouble=fleet.trouble)
        playing.cancel()
        fleet.stop()
        outcomes = await asyncio.gather(running, playing, return_exceptions=True)
        for line in summary.lines():
            out(line)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return summary


async def _play(options: SimulateOptions, fleet: Fleet, out: Callable[[str], None]) -> None:
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(fleet, out))
        told = []
        if options.alarms_every_s is not None:
            pause_s = (0.5 * options.alarms_every_s, 1.5 * options.alarms_every_s)
            beats = story(boxes=len(fleet.boxes), seed=options.seed, pause_s=pause_s)
            told.append(group.create_task(play(beats, fleet, for_s=options.for_s)))
        await asyncio.sleep(options.for_s if options.for_s is not None else float("inf"))
        await asyncio.gather(*told)  # it may have begun later than we, and its last alarm is waited for like the others
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.settle_s):
                await fleet.stored()
        telling.cancel()


async def _tell(fleet: Fleet, out: Callable[[str], None]) -> None:
    began_at = time.monotonic()
    while True:
        await asyncio.sleep(_PROGRESS_EVERY_S)
        out(_progress(time.monotonic() - began_at, fleet))


def _progress(elapsed_s: float, fleet: Fleet) -> str:
    totals = fleet.totals()
    line = (
        f"{elapsed_s:5.0f} s  {totals.connected:,}/{totals.boxes:,} boxes online  {totals.heartbeats:,} heartbeats  "
        f"alarms: {totals.alarms:,} raised, {totals.stored:,} stored, {totals.acknowledged:,} acknowledged"
    )
    return f"{line}  ({fleet.trouble})" if fleet.trouble else line


def _config(options: SimulateOptions) -> FleetConfig:
    span_s = options.for_s or _SPAN_S
    battery_s = options.battery_life_s or (span_s / 4 if options.power_cut else 24 * _HOURS_S)
    return FleetConfig(
        mqtt_url=options.mqtt_url,
        own_urls=options.own_urls,
        devices=Population(options.boxes),
        timing=Timing(
            heartbeat_interval_s=options.heartbeat_interval_s,
            battery_life_s=battery_s,
            recharge_s=battery_s / 2,
            mains_report_delay_s=battery_s / 24 / 12,  # five minutes of a day
        ),
        flaws=FlawMix(
            malformed=options.malformed,
            duplicate=options.duplicate,
            lost_receipts=options.lost_receipts,
            clock_skew=options.clock_skew,
            no_entropy=options.no_entropy,
            qos_0=options.qos_0,
        ),
        misbehaviours=tuple(_misbehaviours(options, span_s)),
        multiplex=_SHARED_CONNECTIONS if options.boxes > OWN_CONNECTIONS_MAX else None,
        own_connections_max=OWN_CONNECTIONS_MAX,
        connect_over_s=min(10.0, 0.02 * options.boxes),
    )


def _misbehaviours(options: SimulateOptions, span_s: float) -> Iterator[Misbehaviour]:
    after_s, for_s = 0.2 * span_s, 0.5 * span_s
    if options.power_cut:
        yield PowerCut(district=options.power_cut, after_s=after_s, for_s=for_s)
    if options.operator_outage:
        yield OperatorOutage(sim_operator=options.operator_outage, after_s=after_s, for_s=for_s)
    if options.flapping:
        yield Flapping(share=options.flapping)
