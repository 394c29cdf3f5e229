"""deploy/proxy: each page and each request goes to the service that has it."""

import inspect
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from starlette.routing import BaseRoute

from services.alerts.service import build as build_alerts
from services.chassis.oidc.config import CALLBACK
from services.chassis.oidc.discovery import TIMEOUT_S
from services.chassis.oidc.flow import TURN_S
from services.chassis.postgres.pool import ACQUIRE_TIMEOUT_S, STATEMENT_TIMEOUT_S
from services.chassis.run import Process, running
from services.registry.service import build as build_registry
from tests.integration.alerts.running import settings_for
from tests.support.certificates import self_signed
from tests.support.nginx import Nginx, Upstream, nginx
from tests.support.servers import Broker, Database
from tests.support.stack import DEPLOY

CONFIGURATION = (DEPLOY / "proxy" / "telecare.conf").read_text()
OF_DEBIAN = (DEPLOY / "debian" / "upstreams.conf").read_text()
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


async def test_who_takes_long_or_is_quiet_by_right_is_waited_for(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    (patient,) = re.findall(r"^  location ~ (\S+) \{", CONFIGURATION, re.MULTILINE)
    assert re.findall(r"^  location ~ (\S+) \{", OF_DEBIAN, re.MULTILINE) == [patient]
    settings = settings_for(database.url, broker.url, tmp_path)
    async with running(settings, [build_registry, build_alerts]) as process:
        await process.runtime.publisher.wait_connected()
        routes = [route for service in process.services for router in service.routers for route in router.routes]
    long = set(paths([each for each in routes if _takes_long(each)]))
    assert len(long) == 11
    assert {path for path in long if not re.search(patient, path)} == set()


def _takes_long(route: BaseRoute) -> bool:
    """What streams; what counts a month; what takes in a file."""
    source = inspect.getsource(getattr(route, "endpoint", _takes_long))
    return (
        re.search(
            r"-> StreamingResponse|return StreamingResponse|\b(months\.read|desk\.take|await as_download)\(", source
        )
        is not None
    )


def _of(process: Process, name: str) -> Iterator[str]:
    for service in process.services:
        if service.name == name:
            for router in service.routers:
                yield from paths(router.routes)


@pytest.mark.parametrize("path", ["/", "/sign-in", CALLBACK, "/session", "/healthz", "/readyz"])
def test_what_both_have_goes_to_alerts_whose_pages_people_open_first(path: str) -> None:
    assert upstream_of(path) == "alerts"


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
def test_what_is_for_this_host_alone_goes_nowhere(path: str) -> None:
    assert upstream_of(path) == "none"


def test_no_server_logs_paths_which_hold_device_ids() -> None:
    servers = re.split(r"^server \{", CONFIGURATION, flags=re.MULTILINE)[1:]
    servers += re.split(r"^server \{", OF_DEBIAN, flags=re.MULTILINE)[1:]
    assert len(servers) == 3
    assert all(re.search(r"^  access_log off;", server, re.MULTILINE) for server in servers)
    assert all(re.search(r"^  error_log \S+ crit;", server, re.MULTILINE) for server in servers)


def test_both_hosts_pass_on_by_the_same_bounds_and_no_honest_answer_is_cut() -> None:
    bounds = [
        re.findall(r"^ +proxy_(?:read|connect|next|buffering)\S* .+;", text, re.MULTILINE)
        for text in (CONFIGURATION, OF_DEBIAN)
    ]
    bounds = [[each.partition(" #")[0] for each in found] for found in bounds]
    assert bounds[0] == bounds[1]
    (bound,) = re.findall(r"^  proxy_read_timeout (\d+)s;", CONFIGURATION, re.MULTILINE)
    assert int(bound) >= ACQUIRE_TIMEOUT_S + STATEMENT_TIMEOUT_S
    found = re.search(
        rf"^  location = {CALLBACK} {{.*?proxy_read_timeout (\d+)s;", CONFIGURATION, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    asks_of_the_provider = 4  # its metadata, the token, the keys, who that is
    assert int(found[1]) > TURN_S + asks_of_the_provider * TIMEOUT_S + ACQUIRE_TIMEOUT_S + STATEMENT_TIMEOUT_S


# By a real nginx with the files as they ship; only that one second is waited for where they say fifteen, three for sixty.
HURRY = {
    "proxy_read_timeout 15s": "proxy_read_timeout 1s",
    "proxy_read_timeout 60s": "proxy_read_timeout 3s",
    "fail_timeout=10s": "fail_timeout=60s",
}
ASKERS = pytest.mark.parametrize("asker", ["everybody", "the command line"])


@dataclass(frozen=True)
class Front:
    proxy: Nginx
    one: Upstream
    other: Upstream
    trust: ssl.SSLContext

    @asynccontextmanager
    async def asking(self, asker: str) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            self.proxy.urls[asker],
            connector=aiohttp.TCPConnector(ssl=self.trust),
            timeout=aiohttp.ClientTimeout(total=30),
        ) as session:
            yield session


@asynccontextmanager
async def fronted(folder: Path, *, away: bool = False) -> AsyncIterator[Front]:
    """nginx before two alerts, which are also the registries: both answer, or both are away."""
    certificate, _ = self_signed(folder)
    one, other = Upstream(), Upstream()
    instead = {8080: one.port, 8090: other.port, 8081: one.port, 8091: other.port}
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(nginx(instead, certificate, HURRY))
        for each in () if away else (one, other):
            await stack.enter_async_context(each.listening())
        yield Front(proxy, one, other, ssl.create_default_context(cafile=certificate))


@pytest.mark.real_stack
@ASKERS
async def test_of_two_the_one_that_hangs_is_left_alone_and_the_other_answers_for_it(tmp_path: Path, asker: str) -> None:
    async with fronted(tmp_path) as front, front.asking(asker) as session:
        front.one.hung = True
        for _ in range(12):
            began_at = time.monotonic()
            async with session.get("/console/") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
            assert time.monotonic() - began_at < 10
        assert len(front.one.asked) == 1, "whose turn it was when nobody knew; and all workers know it since"
        assert len(front.other.asked) == 12
        async with session.get("/engineer/") as answer:  # of registry nobody knew yet
            assert answer.status == 200


@pytest.mark.real_stack
@ASKERS
async def test_what_changes_something_is_sent_once_and_its_asker_hears_soon_that_nobody_knows(
    tmp_path: Path, asker: str
) -> None:
    async with fronted(tmp_path) as front, front.asking(asker) as session:
        front.one.hung = True
        path = f"/api/v1/alarms/{_SAMPLE}/acknowledge"
        statuses = []
        for _ in range(4):
            async with session.post(path, json={"operator": "Isla"}) as answer:
                statuses.append(answer.status)
        assert sorted(statuses) == [200, 200, 200, 504]
        assert len(front.one.asked) + len(front.other.asked) == 4


@pytest.mark.real_stack
@ASKERS
async def test_the_code_of_a_sign_in_is_spent_once_however_long_its_provider_takes(tmp_path: Path, asker: str) -> None:
    """By RFC 6749, 4.1.2, a provider refuses the second time and should take back what came of the first."""
    async with fronted(tmp_path) as front, front.asking(asker) as session:
        front.one.hung = front.other.hung = True
        began_at = time.monotonic()
        async with session.get(f"{CALLBACK}?code=once&state=s") as answer:
            assert answer.status == 504
        assert time.monotonic() - began_at > 2, "longer than anything else is waited for"
        assert len(front.one.asked) + len(front.other.asked) == 1


@pytest.mark.real_stack
@ASKERS
@pytest.mark.parametrize(
    "path",
    ["/console/stream", "/api/v1/alarms/stream", "/engineer/d/TC-1/stream", "/api/v1/devices/TC-1/checklist/stream"],
)
async def test_a_stream_that_is_quiet_for_longer_than_answers_may_take_lives_on(
    tmp_path: Path, asker: str, path: str
) -> None:
    async with fronted(tmp_path) as front, front.asking(asker) as session, session.get(path) as stream:
        assert await stream.content.readline() == b"first\n"
        front.one.hung = front.other.hung = True
        async with session.get("/console/") as answer:  # quiet for as long as it takes to give somebody up
            assert answer.status == 504
        for each in (front.one, front.other):
            each.goes_on.set()
        assert await stream.content.readline() == b"second\n"


@pytest.mark.real_stack
@ASKERS
async def test_both_are_asked_though_both_were_away_a_moment_ago(tmp_path: Path, asker: str) -> None:
    async with fronted(tmp_path, away=True) as front, front.asking(asker) as session:
        async with session.get("/console/") as answer:
            assert answer.status == 502
        async with front.one.listening(), session.post("/console/", data=b"") as answer:
            assert answer.status == 200


@pytest.mark.real_stack
@ASKERS
async def test_an_upstream_that_is_away_or_hangs_puts_no_request_into_nginxs_log(tmp_path: Path, asker: str) -> None:
    secrets = ("/engineer/d/TC-000123", "/sign-in/oidc/callback?code=hush", "/api/v1/devices/TC-000123?q=hush")
    async with fronted(tmp_path, away=True) as front, front.asking(asker) as session:
        for path in secrets:
            async with session.get(path) as answer:
                assert answer.status == 502
        front.one.hung = front.other.hung = True
        async with front.one.listening(), front.other.listening():
            for path in secrets:
                async with session.get(path) as answer:
                    assert answer.status in {502, 504}  # the first when nobody is left to be asked
        logged = front.proxy.log.read_text()
    assert not re.search("TC-000123|hush|request:", logged), logged
