"""Whether each service is ready: its checks, each asked for a bounded time, and its loops."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.chassis.loop import Loop
from services.chassis.postgres import is_transient
from services.chassis.service import Service

_log = structlog.get_logger(__name__)

CHECK_TIMEOUT_S = 3.0
# A loop that fails once and recovers is no news.
LOOP_FAILING_S = 10.0
TOLD_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a service from being ready, in a sentence."""

    service: str
    reason: str


class Readiness:
    """Asks the services of a process. Those who ask at the same time share one answer: anybody may ask, without a token."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._asking: asyncio.Task[list[Finding]] | None = None

    async def findings(self) -> list[Finding]:
        """Everything that keeps any service from being ready; empty when all are. Takes 3 s at most."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_findings(self._services), name="readiness")
        return await asyncio.shield(self._asking)  # whoever hangs up takes the answer from nobody else


class ReadinessGauge:
    """The same for Prometheus, which asks no `/readyz`: the gauges that a loop keeps stand still when it fails, and look well.

    So do those that the process keeps of itself and its surroundings, which keep no service from being ready.
    """

    def __init__(self, services: Sequence[Service], own_loops: Sequence[Loop], metrics: CollectorRegistry) -> None:
        self._services = services
        self._own_loops = own_loops
        self._gauge = Gauge(
            "telecare_unready",
            "What keeps a service from being ready: how many findings /readyz has",
            ["service"],
            registry=metrics,
        )
        self._failing = Gauge(
            "telecare_loop_failing_seconds",
            "For how long what a process looks after for itself has failed: the database's vitals, its clock, its certificates",
            ["loop"],
            registry=metrics,
        )

    async def run_once(self) -> int:
        """Look. Returns 0: there is never more to do at once."""
        found = Counter(finding.service for finding in await _findings(self._services))
        for service in self._services:
            self._gauge.labels(service.name).set(found[service.name])
        now = time.monotonic()
        for loop in self._own_loops:
            self._failing.labels(loop.name).set(0 if loop.failing_since is None else now - loop.failing_since)
        return 0


async def _findings(services: Sequence[Service]) -> list[Finding]:
    checks = [(service.name, check) for service in services for check in service.checks]
    reasons = await asyncio.gather(*(_ask(name, check) for name, check in checks))
    found = [Finding(name, reason) for (name, _), reason in zip(checks, reasons, strict=True) if reason is not None]
    return found + [Finding(service.name, reason) for service in services for reason in _failing_loops(service)]


async def _ask(name: str, check: Callable[[], Awaitable[str | None]]) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return f"A check did not answer within {CHECK_TIMEOUT_S:g} s."
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready, and readiness is answered
        if is_transient(error):
            return "The database cannot be reached or is busy."
        _log.exception("check_failed", service=name)
        return f"A check failed with {type(error).__name__}; the log says more."


def _failing_loops(service: Service) -> list[str]:
    now = time.monotonic()
    return [
        f"The loop {loop.name} has been failing for {now - loop.failing_since:.0f} s."
        for loop in service.loops
        if loop.failing_since is not None and now - loop.failing_since > LOOP_FAILING_S
    ]
