"""Many boxes at once, over real MQTT, and a trace of every alarm."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.ids import DeviceId
from services.chassis.mqtt import Backoff, MqttUrl
from services.simulator.box import Box
from services.simulator.clock import SteadyClock
from services.simulator.device import Device
from services.simulator.flaws import FlawMix
from services.simulator.misbehaviour import Misbehaviour
from services.simulator.multiplex import Multiplex
from services.simulator.occurrence import Occurrence
from services.simulator.population import DeviceIdentity
from services.simulator.timing import Timing
from services.simulator.traces import AlarmTrace, FleetEvent, Ledger, Totals

STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetConfig:
    """A fleet. Up to `own_connections_max` boxes have a connection each, and all they promise.

    With `multiplex` the others share that many connections, on which they only send heartbeats: so a host can be a million
    boxes. Without it they are refused. `connect_over_s` is how long the boxes take to come online one after the other.
    """

    mqtt_url: str = field(repr=False)  # may hold a password
    own_urls: Mapping[DeviceId, MqttUrl] = field(
        default_factory=dict, repr=False
    )  # of boxes that have a user of their own
    devices: Sequence[DeviceIdentity]
    timing: Timing = field(default_factory=Timing)
    flaws: FlawMix = field(default_factory=FlawMix)
    misbehaviours: Sequence[Misbehaviour] = ()
    multiplex: int | None = None
    own_connections_max: int = 500
    connect_over_s: float = 2.0
    reconnect_first_s: float = 1.0
    reconnect_max_s: float = 30.0
    seed: int | None = (
        None  # of jitter and mishaps; None is different every time, as boot_ids must be on a shared database
    )


class Fleet:
    """Run `run()` as a task and end it with `stop()`, or by cancelling it: either way every box hangs up first."""

    def __init__(self, config: FleetConfig) -> None:
        own = len(config.devices) if config.multiplex is None else config.own_connections_max
        if len(config.devices[:own]) > config.own_connections_max:
            raise ValueError(
                f"more than {config.own_connections_max} boxes share connections: say multiplex=4, for instance"
            )
        self._config = config
        self._rng = random.Random(config.seed)  # noqa: S311 - jitter and boot_ids of toys, no secrets
        self._clock = SteadyClock()
        self._ledger = Ledger()
        self._stopping = asyncio.Event()
        url = MqttUrl.parse(config.mqtt_url)
        devices = config.devices[:own]
        self.boxes: Mapping[DeviceId, Box] = {
            device.device_id: self._make_box(
                device, config.own_urls.get(device.device_id, url), config.connect_over_s * index / len(devices)
            )
            for index, device in enumerate(devices)
        }
        others = config.devices[own:]
        self._multiplex = (
            Multiplex(url, others, connections=config.multiplex, interval_s=config.timing.heartbeat_interval_s)
            if config.multiplex and others
            else None
        )

    @property
    def traces(self) -> Sequence[AlarmTrace]:
        """Of every alarm event, oldest first; of the settled ones only the newest thousands."""
        return self._ledger.traces

    @property
    def trouble(self) -> str | None:
        """Why the last connection failed, while none has stood since."""
        return self._ledger.trouble or (self._multiplex.trouble if self._multiplex else None)

    def totals(self) -> Totals:
        """The present figures; an object of the caller's own."""
        totals = self._ledger.snapshot(boxes=len(self._config.devices))
        if self._multiplex is not None:
            totals.heartbeats += self._multiplex.totals.heartbeats
            totals.connected += self._multiplex.online
        return totals

    def watch(self, watcher: Callable[[FleetEvent], None]) -> Callable[[], None]:
        """Call `watcher` on every event from now on; returns how to stop that."""
        return self._ledger.watch(watcher)

    async def events(self) -> AsyncIterator[FleetEvent]:
        """Every event from the first `anext` on. It ends with the fleet."""
        queue: asyncio.Queue[FleetEvent | None] = asyncio.Queue()
        unwatch = self.watch(queue.put_nowait)
        ending = asyncio.ensure_future(self._stopping.wait())
        ending.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            ending.cancel()
            unwatch()

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate()` is true; asked again whenever anything happens to a box of its own connection."""
        await self._ledger.until(predicate)

    async def stored(self) -> None:
        """Return once every alarm so far is stored."""
        await self.until(lambda: all(trace.stored_at is not None for trace in self.traces))

    async def settled(self) -> None:
        """Return once every alarm so far is stored, and acknowledged where it needs a person."""
        await self.until(lambda: all(trace.is_settled for trace in self.traces))

    def raise_alarm(self, device_id: DeviceId, occurrence: Occurrence) -> AlarmTrace | None:
        """It happens now, at that box. None when the box is off. KeyError for a box without a connection of its own."""
        return self.boxes[device_id].raise_alarm(occurrence)

    async def run(self) -> None:
        """Until `stop`. An error in a box is a bug, stops all, and is raised."""
        boxes = [asyncio.create_task(box.run()) for box in self.boxes.values()]
        others = [asyncio.create_task(m.run(tuple(self.boxes.values()), self._rng)) for m in self._config.misbehaviours]
        if self._multiplex is not None:
            others.append(asyncio.create_task(self._multiplex.run()))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await _first_failure_or(stopping, [*boxes, *others])
        finally:
            self._stopping.set()
            for task in others:
                task.cancel()
            for box in self.boxes.values():
                box.stop()
            await _wind_up([*boxes, *others, stopping])

    def stop(self) -> None:
        """End the run: every box says `offline` and hangs up."""
        self._stopping.set()

    def _make_box(self, identity: DeviceIdentity, url: MqttUrl, connect_after_s: float) -> Box:
        rng = random.Random(self._rng.getrandbits(64))  # noqa: S311 - as above; one each, so that boxes do not mix theirs
        device = Device(
            identity,
            now=self._clock.now(),
            rng=rng,
            timing=self._config.timing,
            flaws=self._config.flaws.draw(rng),
        )
        backoff = Backoff(self._config.reconnect_first_s, self._config.reconnect_max_s, uniform=rng.uniform)
        return Box(
            device,
            url=url,
            clock=self._clock,
            ledger=self._ledger,
            backoff=backoff,
            connect_after_s=connect_after_s,
        )


async def _first_failure_or(stopping: asyncio.Task[bool], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when `stopping` is done; raise as soon as one of the tasks has failed. That one ends is in order."""
    running: set[asyncio.Task[None] | asyncio.Task[bool]] = {*tasks, stopping}
    while not stopping.done():
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _wind_up(tasks: Sequence[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
    _, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
