"""Prometheus of the real stack, run with the files that `deploy/` ships, and asked over its HTTP API."""

import asyncio
import math
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp
import yaml

from services.chassis.embedded.ports import LOOPBACK
from services.chassis.embedded.process import GuardedProcess
from tests.support.ports import free_port
from tests.support.stack import DEPLOY, STACK

SHIPPED: Final = DEPLOY / "prometheus"
SCRAPE_EVERY_S: Final = 1
PUBLIC_URL: Final = "https://telecare.example"  # with which links in alerts begin
HELD_S: Final = 2  # instead of a `for`, where a test waits for the call
_READY_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Series:
    """What a query found under one set of labels: its values, oldest first; NaN where there was nothing to divide by."""

    labels: Mapping[str, str]
    values: Sequence[float]

    @property
    def last(self) -> float:
        return self.values[-1]

    @property
    def tells_something(self) -> bool:
        """Whether any value is a number."""
        return not all(map(math.isnan, self.values))


class QueryRefusedError(AssertionError):
    """Prometheus can't read a query, or can't carry it out. The message is its own."""


class Prometheus:
    """A server with a fresh, empty database."""

    def __init__(self, directory: Path, http: aiohttp.ClientSession) -> None:
        self._directory = directory
        self._http = http
        self._port = free_port()
        self._server: GuardedProcess | None = None

    def start(self) -> None:
        """Return when it is ready to be asked; `ServerDidNotStartError` when it refuses its files."""
        inside = STACK.inside(self._directory)
        self._server = GuardedProcess(
            STACK.argv(
                "prometheus",
                "/usr/bin/env",
                f"TELECARE_PUBLIC_URL={PUBLIC_URL}",
                "/usr/bin/prometheus",
                f"--config.file={inside}/prometheus.yml",
                f"--storage.tsdb.path={inside}/data",
                f"--web.listen-address={LOOPBACK}:{self._port}",
                "--enable-feature=expand-external-labels",
                "--rules.alert.resend-delay=2s",  # what was sent before Alertmanager was found comes again soon
                "--log.level=warn",
            ),
            log=self._directory / "prometheus.log",
            stop_signals=(signal.SIGTERM,),
            remove=[self._directory],
        )
        self._server.wait_until_ready(self._is_ready, _READY_TIMEOUT_S)

    def stop(self) -> None:
        """Return when it has ended."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    async def query(self, expr: str) -> list[Series]:
        """What holds now. Raises QueryRefusedError."""
        found = await self._get("query", query=expr)
        assert found["resultType"] == "vector", expr
        return [Series(_labels(each), [float(each["value"][1])]) for each in found["result"]]

    async def query_range(self, expr: str, *, over_s: int = 120) -> list[Series]:
        """What held in the last `over_s` seconds. Raises QueryRefusedError."""
        now = float((await self._get("query", query="time()"))["result"][0])
        found = await self._get("query_range", query=expr, start=now - over_s, end=now, step=SCRAPE_EVERY_S)
        return [Series(_labels(each), [float(value) for _, value in each["values"]]) for each in found["result"]]

    async def rules(self) -> dict[str, dict[str, Any]]:
        """The alerting rules that it has loaded, by name; `state` is inactive, pending or firing."""
        groups = (await self._get("rules", type="alert"))["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    async def _get(self, path: str, **parameters: str | float) -> Any:
        async with self._http.get(f"http://{LOOPBACK}:{self._port}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
        if body["status"] != "success":
            raise QueryRefusedError(f"{body['errorType']}: {body['error']}: {parameters}")
        return body["data"]

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{LOOPBACK}:{self._port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def _labels(found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Those that tell series of one query apart: not the name of what was recorded."""
    return {name: value for name, value in found["metric"].items() if name != "__name__"}


@asynccontextmanager
async def watching(
    address: str,
    *instances: str,
    http: aiohttp.ClientSession,
    alertmanager_port: int | None = None,
    canary_port: int | None = None,
) -> AsyncIterator[Prometheus]:
    """Prometheus scraping what serves at `address` (`host:port`), once for each of the names it is to be known by.

    Two names make it look like two processes that tell the same, as a standby does. With an Alertmanager to call, a generated copy
    of the rules lets every alert that has a `for` of minutes fire after seconds, and be over as soon where it would be kept firing;
    what holds for how long is promtool's to show.
    """
    directory = STACK.temporary_directory("telecare-prometheus-", "prometheus")
    try:
        _configure(directory, address, instances, alertmanager_port, canary_port)
        server = Prometheus(directory, http)
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)
    finally:
        shutil.rmtree(directory)


def _configure(
    directory: Path, address: str, instances: Sequence[str], alertmanager_port: int | None, canary_port: int | None
) -> None:
    """The shipped files, where only what belongs to a machine is another: whom to scrape, how often, and nobody to page."""
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": f"{SCRAPE_EVERY_S}s", "evaluation_interval": f"{SCRAPE_EVERY_S}s"}
    if alertmanager_port is None:
        del config["alerting"]
    else:
        told = [{"targets": [f"{LOOPBACK}:{alertmanager_port}"]}]
        (directory / "alertmanagers.yml").write_text(yaml.safe_dump(told))
    scrape = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
    service, canary = scrape["scrape_configs"]
    service["static_configs"] = [{"targets": [address], "labels": {"instance": name}} for name in instances]
    if alertmanager_port is not None:  # as the files of Debian and of the containers do
        scrape["scrape_configs"].append({"job_name": "telecare-alertmanager", "static_configs": told})
    if canary_port is None:
        scrape["scrape_configs"].remove(canary)
    else:
        canary["static_configs"] = [{"targets": [f"{LOOPBACK}:{canary_port}"]}]
    for job in scrape["scrape_configs"]:
        job |= {"scrape_interval": f"{SCRAPE_EVERY_S}s", "scrape_timeout": f"{SCRAPE_EVERY_S}s"}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    (directory / "scrape.yml").write_text(yaml.safe_dump(scrape))
    shutil.copytree(SHIPPED / "rules", directory / "rules", copy_function=shutil.copyfile)
    for path in (directory / "rules").glob("*.rules.yml"):
        text = re.sub(r"^(    interval:) \w+$", rf"\1 {SCRAPE_EVERY_S}s", path.read_text(), flags=re.MULTILINE)
        if alertmanager_port is not None:
            text = re.sub(r"^( +(?:keep_firing_)?for:) \w+$", rf"\1 {HELD_S}s", text, flags=re.MULTILINE)
        path.write_text(text)
    for each in (*directory.glob("rules/**/"), *directory.rglob("*.yml")):
        each.chmod(0o755 if each.is_dir() else 0o644)
