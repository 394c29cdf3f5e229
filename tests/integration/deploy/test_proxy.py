"""deploy/proxy: each page and each request goes to the service that has it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute

from services.alerts.service import build as build_alerts
from services.chassis.run import Process, running
from services.registry.service import build as build_registry
from tests.integration.alerts.running import settings_for
from tests.support.servers import Broker, Database
from tests.support.stack import DEPLOY

CONFIGURATION = (DEPLOY / "proxy" / "telecare.conf").read_text()
# Such as one would ask for: a route's parameters, filled in.
_SAMPLE = "3f2b8c1e-0000-4000-8000-000000000001"


def upstream_of(path: str) -> str:
    """As nginx's `map` has it: the first expression that fits, in their order."""
    (table,) = re.findall(r"map \$uri \$telecare \{(.+?)\n\}", CONFIGURATION, re.DOTALL)
    for line in table.strip().splitlines():
        pattern, upstream = line.partition(";")[0].split()
        if pattern == "default" or re.search(pattern.removeprefix("~"), path):
            return str(upstream)
    raise AssertionError("the map has no default")


def paths(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if (path := getattr(route, "path", None)) is not None:
            yield re.sub(r"\{\w+(:path)?\}", _SAMPLE, path)


async def test_every_route_of_a_service_is_sent_to_it(database: Database, broker: Broker, tmp_path: Path) -> None:
    settings = settings_for(database.url, broker.url, tmp_path)
    async with running(settings, [build_registry, build_alerts]) as process:
        await process.runtime.publisher.wait_connected()  # it has started, and can be stopped
        own = {service.name: set(_of(process, service.name)) for service in process.services}
    assert len(own["alerts"]) > 20
    assert len(own["registry"]) > 40
    astray = {
        path: upstream_of(path) for name in ("alerts", "registry") for path in own[name] if upstream_of(path) != name
    }
    assert astray == {}


def _of(process: Process, name: str) -> Iterator[str]:
    for service in process.services:
        if service.name == name:
            for router in service.routers:
                yield from paths(router.routes)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-in/oidc/callback", "/session", "/healthz", "/readyz"])
def test_what_both_have_goes_to_alerts_whose_pages_people_open_first(path: str) -> None:
    assert upstream_of(path) == "alerts"


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
def test_what_is_for_this_host_alone_goes_nowhere(path: str) -> None:
    assert upstream_of(path) == "none"


def test_no_server_logs_paths_which_hold_device_ids() -> None:
    servers = re.split(r"^server \{", CONFIGURATION, flags=re.MULTILINE)[1:]
    assert len(servers) == 2
    assert all(re.search(r"^  access_log off;", server, re.MULTILINE) for server in servers)
