"""Alertmanager of the real stack, run with the file that `deploy/` ships, and whoever it calls."""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp
from aiohttp import web

from services.chassis.embedded.ports import LOOPBACK
from services.chassis.embedded.process import GuardedProcess
from tests.support.ports import free_port
from tests.support.stack import DEPLOY, STACK

SHIPPED: Final = DEPLOY / "alertmanager" / "alertmanager.yml"
RECEIVERS: Final = ("page", "warn", "ticket", "watchdog")
TELLS_AFTER_S: Final = 1  # instead of each `group_wait` and `group_interval`: minutes, where nobody is woken
_ADDRESSES: Final = "/etc/prometheus/alertmanager/"
_READY_TIMEOUT_S: Final = 60.0


@dataclass
class Called:
    """What each receiver was told: alerts, in the order in which they came, with `status` firing or resolved."""

    by_receiver: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in RECEIVERS})

    def told(self, receiver: str, alertname: str, status: str = "firing") -> list[dict[str, Any]]:
        """All that it was told of this alert."""
        alerts = self.by_receiver[receiver]
        return [each for each in alerts if (each["labels"]["alertname"], each["status"]) == (alertname, status)]

    def stands(self, alertname: str) -> bool:
        """Whether somebody was called for it, and not yet told that it is over: he is not called again for the same."""
        last = {
            (receiver, *sorted(each["labels"].items())): each["status"]
            for receiver, alerts in self.by_receiver.items()
            for each in alerts
            if each["labels"]["alertname"] == alertname
        }
        return "firing" in last.values()

    def forget(self, alertname: str) -> None:
        """What was told of it so far: another test's."""
        for receiver, alerts in self.by_receiver.items():
            self.by_receiver[receiver] = [each for each in alerts if each["labels"]["alertname"] != alertname]

    async def take(self, request: web.Request) -> web.Response:
        self.by_receiver[request.match_info["receiver"]] += (await request.json())["alerts"]
        return web.Response()


@dataclass
class Alertmanager:
    """A server with nothing on its mind. `port`: where it listens, on loopback."""

    called: Called
    port: int
    _http: aiohttp.ClientSession

    async def alerts(self) -> list[dict[str, Any]]:
        """All that it knows of; `status` says which are suppressed, and by what."""
        async with self._http.get(f"http://{LOOPBACK}:{self.port}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def post(self, *labels: Mapping[str, str]) -> None:
        """As Prometheus does."""
        body = [{"labels": dict(each), "annotations": {}} for each in labels]
        async with self._http.post(f"http://{LOOPBACK}:{self.port}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def silence(self, alertname: str) -> None:
        """For an hour, as a person does."""
        now = datetime.now(UTC)
        named = {"name": "alertname", "value": alertname, "isRegex": False, "isEqual": True}
        ends = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
        body = {"matchers": [named], **ends, "createdBy": "Isla", "comment": "being seen to"}
        async with self._http.post(f"http://{LOOPBACK}:{self.port}/api/v2/silences", json=body) as answer:
            assert answer.status == 200, await answer.text()

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://{LOOPBACK}:{self.port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@asynccontextmanager
async def alerting(http: aiohttp.ClientSession) -> AsyncIterator[Alertmanager]:
    """Alertmanager as shipped, but that the files with addresses lie in a directory of its own, and lead to us.

    And it gathers what belongs together for a second, where somebody who is not woken for it would wait for minutes.
    """
    called = Called()
    app = web.Application()
    app.router.add_post("/{receiver}", called.take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, LOOPBACK, port).start()
    directory = STACK.temporary_directory("telecare-alertmanager-", "prometheus")
    try:
        arguments = _configure(directory, port)
        manager = Alertmanager(called, free_port(), http)
        server = GuardedProcess(
            STACK.argv(
                "prometheus",
                "/usr/bin/prometheus-alertmanager",
                *arguments,
                f"--web.listen-address={LOOPBACK}:{manager.port}",
                "--cluster.listen-address=",  # it is alone
                "--log.level=warn",
            ),
            log=directory / "alertmanager.log",
            stop_signals=(signal.SIGTERM,),
            remove=[directory],
        )
        await asyncio.to_thread(server.wait_until_ready, manager.is_ready, _READY_TIMEOUT_S)
        try:
            yield manager
        finally:
            await asyncio.to_thread(server.stop)
    finally:
        await runner.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def _configure(directory: Path, port: int) -> Sequence[str]:
    inside = STACK.inside(directory)
    config = directory / "alertmanager.yml"
    shipped = SHIPPED.read_text().replace(_ADDRESSES, f"{inside}/")
    config.write_text(
        re.sub(r"^( +group_(?:wait|interval):) \w+", rf"\1 {TELLS_AFTER_S}s", shipped, flags=re.MULTILINE)
    )
    files = [config]
    for name in RECEIVERS:
        address = directory / f"{name}.url"
        address.write_text(f"http://{LOOPBACK}:{port}/{name}")
        files.append(address)
    for each in files:
        each.chmod(0o644)
    return (f"--config.file={inside}/alertmanager.yml", f"--storage.path={inside}/data")
