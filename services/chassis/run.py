"""One process: its runtime, its services, their loops, one HTTP server.

`telecare up` runs all services here, `telecare ingest` one.

Tests embed it: `async with running(settings, builds) as process: …`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, disable_created_metrics

from contracts.metrics import CANARY_ROUND_TRIP
from services.chassis.audit import AuditLog
from services.chassis.clock import Clock, DatabaseClock
from services.chassis.exposure import protected
from services.chassis.http import ServerTls, create_app, serve
from services.chassis.http.rates import Rates
from services.chassis.http.readiness import TOLD_EVERY_S, ReadinessGauge
from services.chassis.loop import Loop
from services.chassis.mqtt import MqttUrl, Publisher
from services.chassis.pages.door import build_door
from services.chassis.postgres import is_transient
from services.chassis.postgres.listen import listen
from services.chassis.postgres.migrate import missing
from services.chassis.postgres.pool import connect
from services.chassis.service import Runtime, Service
from services.chassis.settings import Settings, SettingsError
from services.chassis.supervisor import Supervisor, Watchdog
from services.chassis.vitals import vitals_loops

if TYPE_CHECKING:
    from fastapi import FastAPI

    from services.chassis.http.server import HttpServer

Build = Callable[[Runtime], Awaitable[Service]]

_log = structlog.get_logger(__name__)

_SERVICES = ("registry", "alerts", "ingest")
_CLOCK_EVERY_S = 30.0
_STOP_TIMEOUT_S = 10.0
# What a start and an end may take where we watch ourselves: as deploy/systemd's TimeoutStartSec and TimeoutStopSec.
_START_AT_MOST_S = 180.0
_END_AT_MOST_S = 20.0
_GC_YOUNG_MAX = 20_000  # objects; Python's 700 are a tenth of one batch of heartbeats


@dataclass(frozen=True, slots=True)
class Process:
    """What runs, to whoever embeds it."""

    runtime: Runtime
    services: Sequence[Service]
    url: str  # of the HTTP server
    failed: asyncio.Future[None]  # set with the exception of a task that ended though it should not


def make_runtime(settings: Settings, *, clock: Clock | None = None) -> Runtime:
    """The runtime of this process. Raises SettingsError for an MQTT URL that is none."""
    try:
        mqtt_url = MqttUrl.parse(settings.mqtt_url.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"TELECARE_MQTT_URL is not usable: {error}") from None
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a series a counter that nobody asks for
    metrics = CollectorRegistry()
    ProcessCollector(registry=metrics)
    PlatformCollector(registry=metrics)
    Histogram(*CANARY_ROUND_TRIP, registry=metrics)  # its name and what it says; of a shard, the canary alone
    instance = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    clock = clock or DatabaseClock()
    return Runtime(
        settings=settings,
        clock=clock,
        metrics=metrics,
        mqtt_url=mqtt_url,
        publisher=Publisher(mqtt_url, f"telecare-out-{instance}"[:64]),
        instance=instance,
        audit=AuditLog(clock, metrics),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings, builds: Sequence[Build], *, clock: Clock | None = None) -> AsyncIterator[Process]:
    """Start everything; stop everything in reverse on leaving.

    Raises SettingsError when the settings would show something to a network, the database lacks migrations or the HTTP
    address is none of ours, OSError when its port is taken. A database or broker that is away keeps nothing from starting:
    readiness says so.
    """
    runtime = make_runtime(protected(settings), clock=clock)
    tls = ServerTls.from_settings(settings)
    await _refuse_unmigrated(runtime.database_url)
    await _set_clock(runtime)
    asyncio.get_running_loop().set_exception_handler(_left_behind)
    async with contextlib.AsyncExitStack() as stack:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stack.callback(failed.cancel)
        started: list[Service] = []

        def start(service: Service) -> None:
            started.append(service)
            if service.close is not None:
                stack.push_async_callback(service.close)

        for build in builds:
            start(await build(runtime))
        if door := await build_door(runtime, started):
            start(door)
        rates = Rates(settings.requests_per_s, metrics=runtime.metrics)
        audit = await _audit(runtime, started)
        stack.push_async_callback(audit.close)
        app = create_app(title="telecare", services=started, metrics=runtime.metrics, audit=audit, rates=rates)
        server = await _serve(app, settings, tls)
        stack.push_async_callback(server.stop)
        tasks = _Tasks(failed)
        stack.push_async_callback(tasks.stop)
        tasks.start("http", server.wait())
        tasks.start("publisher", runtime.publisher.run())
        tasks.start("audit", audit.loop.run())
        own_loops = list(_own_loops(runtime, tls, server.url))
        for loop in own_loops:
            tasks.start(loop.name, loop.run())
        listens = _merge_listens(started)
        if listens:
            tasks.start("listen", listen(runtime.database_url, listens))
        tasks.start_services(started)
        readiness = Loop("readiness", ReadinessGauge(started, own_loops, runtime.metrics).run_once, TOLD_EVERY_S)
        tasks.start(readiness.name, readiness.run())
        _log.info("started", services=[service.name for service in started], url=server.url)
        yield Process(runtime, started, server.url, failed)
        _log.info("stopping")


async def _audit(runtime: Runtime, services: Sequence[Service]) -> AuditLog:
    """The audit log of this process, written as one of the services in it: each may add to it."""
    audit = runtime.audit or AuditLog(runtime.clock, runtime.metrics)
    role = next((f"telecare_{each.name}" for each in services if each.name in _SERVICES), f"telecare_{_SERVICES[0]}")
    await audit.open(runtime.database_url, role)
    return audit


def _left_behind(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A connection closed in the very instant in which whoever waits on it is cancelled leaves an exception nobody asks for."""
    if isinstance(context.get("exception"), asyncpg.ConnectionDoesNotExistError) and "future" in context:
        _log.debug("statement_left_behind")
    else:
        loop.default_exception_handler(context)


async def run_until_stopped(settings: Settings, builds: Sequence[Build]) -> None:
    """Run until SIGINT or SIGTERM. Raises what made a task end that should not have ended."""
    supervisor, watchdog = Supervisor.from_environment(), Watchdog(settings.watchdog_s)
    watchdog.wait_for(_START_AT_MOST_S)
    try:
        async with running(settings, builds) as process:
            with signalled() as stopped:
                _spare_the_collector()
                supervisor.started()
                alive = [
                    asyncio.create_task(supervisor.say_alive(), name="supervisor"),
                    asyncio.create_task(watchdog.watch(), name="watchdog"),
                ]
                try:
                    await until_any(stopped, process.failed)
                finally:
                    for each in alive:
                        each.cancel()
                    watchdog.wait_for(_END_AT_MOST_S)
                    supervisor.stopping()
    finally:
        watchdog.rest()


def _spare_the_collector() -> None:
    """The process is ours alone, and what has started stays: the collector need not look at it again and again.

    *Measured* with heartbeats flat out: a tenth of ingest's processor time; and one look at everything halts every alarm
    for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_YOUNG_MAX, 20, 20)


@contextlib.contextmanager
def signalled() -> Iterator[asyncio.Future[None]]:
    """Done at SIGINT or SIGTERM; a second one ends the process as if nobody listened.

    To be entered before anybody is told that we are up: whoever stops us at that very word must not kill us.
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def listen_no_more() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def stop() -> None:
        listen_no_more()
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        listen_no_more()


async def until_any(*ends: asyncio.Future[None]) -> None:
    """Return when one of them is done (raising its exception, if it has one)."""
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        each.result()


async def _serve(app: FastAPI, settings: Settings, tls: ServerTls | None) -> HttpServer:
    try:
        proxies = [str(each) for each in settings.trusted_proxies]
        return await serve(app, settings.http_host, settings.http_port, proxies, tls.context if tls else None)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        where = f"{settings.http_host}:{settings.http_port}"
        hint = "see TELECARE_HTTP_HOST and TELECARE_HTTP_PORT"
        raise SettingsError(f"nothing can listen on {where} ({error.strerror}): {hint}") from None


async def _refuse_unmigrated(database_url: str) -> None:
    try:
        names = await missing(database_url)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
        raise  # at the start it is a setting that is wrong
    except Exception as error:
        if not is_transient(error):
            raise
        _log.warning("database_away", reason=type(error).__name__, hint="starting all the same; see /readyz")
        return
    if names:
        raise SettingsError(f"the database lacks {len(names)} migration(s), {names[0]} first: run `telecare migrate`")


async def _set_clock(runtime: Runtime) -> None:
    """Before anything is decided by it: this host's own may be hours off. Later, if the database is away."""
    if not isinstance(runtime.clock, DatabaseClock):
        return
    try:
        await _clock_loop(runtime.database_url, runtime.clock).run_once()
    except Exception as error:
        if not is_transient(error):
            raise


class _Tasks:
    """Tasks that run until they are stopped; one that ends by itself fails the process."""

    def __init__(self, failed: asyncio.Future[None]) -> None:
        self._failed = failed
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def start_services(self, services: Sequence[Service]) -> None:
        for service in services:
            for loop in service.loops:
                self.start(loop.name, loop.run())
            for number, work in enumerate(service.tasks):
                self.start(f"{service.name}-{number}", work())

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed.done():
            return
        error = task.exception() or RuntimeError(f"the task {task.get_name()} ended by itself")
        _log.error("task_failed", task=task.get_name(), exc_info=error)
        self._failed.set_exception(error)
        self._failed.exception()  # retrieved: whoever embeds us may not wait for it

    async def stop(self) -> None:
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_STOP_TIMEOUT_S)
            for task in left:
                _log.error("task_would_not_stop", task=task.get_name())


def _own_loops(runtime: Runtime, tls: ServerTls | None, url: str) -> Iterator[Loop]:
    """Those of the process itself, whatever it serves."""
    if tls is not None:
        yield tls.loop
    if isinstance(runtime.clock, DatabaseClock):
        yield _clock_loop(runtime.database_url, runtime.clock)
    yield from vitals_loops(runtime, url)


def _clock_loop(database_url: str, clock: DatabaseClock) -> Loop:
    async def measure() -> int:
        connection = await connect(database_url, name="clock")
        try:
            await clock.measure(connection)
        finally:
            await connection.close()
        return 0

    return Loop("clock", measure, every_s=_CLOCK_EVERY_S)


def _merge_listens(services: Sequence[Service]) -> dict[str, Callable[[str], None]]:
    """Several services may listen on one channel; each is told."""
    callbacks: dict[str, list[Callable[[str], None]]] = {}
    for service in services:
        for channel, callback in service.listens.items():
            callbacks.setdefault(channel, []).append(callback)

    def all_of(each: list[Callable[[str], None]]) -> Callable[[str], None]:
        def told(payload: str) -> None:
            for callback in each:
                callback(payload)

        return told

    return {channel: all_of(each) for channel, each in callbacks.items()}
