"""What every process serves besides its services' routes, served for real and asked by another client."""

import asyncio
import errno
import io
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Annotated, Any

import aiohttp
import asyncpg
import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, Field
from starlette.routing import Mount, Route

from contracts.access import Principal
from services.chassis.clock import DatabaseClock
from services.chassis.http import (
    Access,
    HttpServer,
    NewestFirst,
    Page,
    Problem,
    create_app,
    invalid,
    limits,
    readiness,
    require,
    serve,
)
from services.chassis.loop import Loop
from services.chassis.postgres import open_pool
from services.chassis.service import Link, Service
from services.chassis.settings import load_settings
from tests.blackbox.api import PROBLEM, Api
from tests.support.servers import DatabaseServer, free_port, until

NOWHERE = "postgresql://telecare@127.0.0.1:1/telecare"
TOKEN = "bootstrap-token-of-this-test"


class Body(BaseModel):
    """Something with a secret in it."""

    count: Annotated[int, Field(ge=1)]
    names: list[str] = []


async def access_to(url: str) -> Access:
    settings = load_settings(database_url=url, mqtt_url="mqtt://", bootstrap_token=TOKEN)
    return Access(await open_pool(url, role="telecare_alerts", name="test", size=1), settings, DatabaseClock())


async def routes(url: str = NOWHERE) -> Any:
    """A router with a route for each thing that can go wrong."""
    router = (await access_to(url)).router(prefix="/api/v1/things")

    @router.get("")
    async def things(_who: Annotated[Principal, require("ops", "viewer")], paging: NewestFirst) -> Page[str]:
        return paging.page([], key=lambda item: (None, item))

    @router.post("")
    async def make(_who: Annotated[Principal, require("ops")], body: Body) -> Body:
        return body

    @router.get("/hubs-only")
    async def hubs_only(_who: Annotated[Principal, require("hub")]) -> None: ...

    @router.get("/taken")
    async def taken() -> None:
        raise Problem(409, "Somebody has it.", acknowledged_by="Ann")

    @router.get("/invalid")
    async def wrong() -> None:
        raise invalid(("a", "is wrong"), ("b", "too"))

    @router.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("a secret of the inside")

    @router.get("/database-bug")
    async def database_bug() -> None:
        raise asyncpg.UniqueViolationError("a secret of the inside")

    @router.get("/database-away")
    async def database_away() -> None:
        raise asyncpg.AdminShutdownError("a secret of the inside")

    return router


@asynccontextmanager
async def served(*services: Service, metrics: CollectorRegistry | None = None) -> AsyncIterator[tuple[Api, HttpServer]]:
    """An application on a free port, and a caller without a token."""
    server = await serve(create_app("telecare", services, metrics or CollectorRegistry()), "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield Api(session, server.url, None), server
    finally:
        await server.stop()


def checked(*checks: Callable[[], Awaitable[str | None]], loops: Sequence[Loop] = ()) -> Service:
    return Service("ingest", checks=checks, loops=loops)


async def fine() -> str | None:
    return None


async def test_every_error_is_a_problem_document(subtests: pytest.Subtests) -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        ops = nobody.by(TOKEN)
        for caller, method, path, body, status in (
            (nobody, "GET", "/nowhere", None, 404),
            (nobody, "DELETE", "/healthz", None, 405),
            (nobody, "GET", "/api/v1/things", None, 401),
            (ops, "GET", "/api/v1/things/hubs-only", None, 403),
            (ops, "GET", "/api/v1/things/taken", None, 409),
            (ops, "POST", "/api/v1/things", {"count": 0}, 422),
            (ops, "GET", "/api/v1/things/bug", None, 500),
            (ops, "GET", "/api/v1/things/database-bug", None, 500),
            (ops, "GET", "/api/v1/things/database-away", None, 503),
        ):
            with subtests.test(path=path, status=status):
                answer = await caller.send(method, path, body)
                assert (answer.status, answer.content_type) == (status, PROBLEM)
                assert {"type", "title", "status", "detail"} <= set(answer.body)
                assert answer.body["status"] == status
                assert answer.body["detail"]
                assert "inside" not in str(answer.body)


async def test_a_problem_bears_what_the_caller_can_act_upon() -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        ops = nobody.by(TOKEN)
        assert (await ops.get("/api/v1/things/taken")).body["acknowledged_by"] == "Ann"
        assert (await ops.get("/api/v1/things/invalid")).body["errors"] == [
            {"field": "a", "message": "is wrong"},
            {"field": "b", "message": "too"},
        ]
        assert (await ops.send("GET", "/api/v1/things/database-away")).headers["Retry-After"]
        assert (await nobody.get("/api/v1/things")).headers["WWW-Authenticate"].startswith("Bearer")
        assert (await nobody.send("DELETE", "/healthz")).headers["Allow"] == "GET"


async def test_a_wrong_field_is_named_and_what_it_held_is_not_repeated(subtests: pytest.Subtests) -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        for text, field in (
            ('{"count": "hunter2"}', "count"),
            ('{"count": 1, "names": ["a", 7]}', "names.1"),
            ("{}", "count"),
            ('{"count": 1', "body"),
            ("", "body"),
            ("\udcff", "body"),
        ):
            with subtests.test(text=text):
                async with nobody.session.post(
                    nobody.url + "/api/v1/things",
                    data=text.encode(errors="surrogateescape"),
                    headers=nobody.by(TOKEN).headers | {"Content-Type": "application/json"},
                ) as response:
                    body = await response.json(content_type=None)
                    assert response.content_type == PROBLEM
                    assert response.status in {400, 422}
                    if response.status == 422:
                        assert [error["field"] for error in body["errors"]] == [field]
                    assert "hunter2" not in str(body)


async def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(24):
            yield b"x" * 65_536

    async with served(Service("x", [await routes()])) as (nobody, _):
        headers = nobody.by(TOKEN).headers | {"Content-Type": "application/json"}
        for data in (io.BytesIO(b"x" * (limits.BODY_BYTES_MAX + 1)), chunks()):
            async with nobody.session.post(nobody.url + "/api/v1/things", data=data, headers=headers) as response:
                assert (response.status, response.content_type) == (413, PROBLEM)
                assert "1,048,576" in (await response.json(content_type=None))["detail"]
        just = b'{"count": 1, "names": ["' + b"x" * (limits.BODY_BYTES_MAX - 27) + b'"]}'
        async with nobody.session.post(
            nobody.url + "/api/v1/things", data=io.BytesIO(just), headers=headers
        ) as response:
            assert response.status == 200


async def test_without_a_token_nothing_about_the_request_is_told(subtests: pytest.Subtests) -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        for method, path, body in (
            ("GET", "/api/v1/things?limit=0", None),
            ("GET", "/api/v1/things?cursor=nonsense", None),
            ("POST", "/api/v1/things", {"count": 0}),
            ("GET", "/api/v1/things/bug", None),
        ):
            with subtests.test(path=path):
                assert (await nobody.send(method, path, body)).status == 401


async def test_with_the_database_away_a_token_is_answered_503_and_the_bootstrap_token_works() -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        assert (await nobody.by("another-token").send("GET", "/api/v1/things")).status == 503
        assert (await nobody.by(TOKEN).get("/api/v1/things")).status == 200


async def test_with_the_database_hanging_the_answer_still_comes(own_postgres: DatabaseServer) -> None:
    database = await own_postgres.create_database()
    async with served(Service("x", [await routes(database.url)])) as (nobody, _):

        async def refused() -> bool:
            """One that stands still for as many seconds as a look-up has is told as one that hangs."""
            return (await nobody.by("some-token").get("/api/v1/things")).status == 401

        await until(refused, what="the database to say that it knows no such token")
        own_postgres.pause()
        try:
            async with asyncio.timeout(60):
                assert (await nobody.by("another-token").send("GET", "/api/v1/things")).status == 503
        finally:
            own_postgres.resume()


async def test_what_needs_no_token_needs_none() -> None:
    metrics = CollectorRegistry()
    Gauge("telecare_rollout_live", "Live.", registry=metrics).set(7)
    async with served(checked(fine), metrics=metrics) as (nobody, _):
        assert (await nobody.get("/healthz")).body["status"] == "alive"
        assert (await nobody.get("/readyz")).body == {"status": "ready", "services": ["ingest"], "failing": []}
        scraped = await nobody.get("/metrics")
        assert "telecare_rollout_live 7.0" in scraped.body
        assert scraped.content_type == "text/plain"
        assert (await nobody.get("/openapi.json")).status == 200
        assert (await nobody.get("/docs")).status == 200


async def test_readiness_names_each_failing_check_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_S", 0.05)

    async def no_recipient() -> str | None:
        return "No hub has a verified channel."

    async def hanging() -> str | None:
        await asyncio.Event().wait()
        return None

    async def away() -> str | None:
        raise ConnectionRefusedError("a secret of the inside")

    async def bug() -> str | None:
        raise ZeroDivisionError("a secret of the inside")

    async def nothing() -> int:
        return 0

    loop = Loop("claims", nothing, every_s=1, failing_since=0.001)
    async with served(checked(fine, no_recipient, hanging, away, bug, loops=[loop])) as (nobody, _):
        answer = await nobody.get("/readyz")
        assert answer.status == 503
        assert answer.body["status"] == "not_ready"
        reasons = [each["reason"] for each in answer.body["failing"]]
        assert reasons[:4] == [
            "No hub has a verified channel.",
            "A check did not answer within 0.05 s.",
            "The database cannot be reached or is busy.",
            "A check failed with ZeroDivisionError; the log says more.",
        ]
        assert re.fullmatch(r"The loop claims has been failing for \d+ s\.", reasons[4])
        assert (await nobody.get("/healthz")).status == 200
        page = (await nobody.get("/")).body
        assert "Not ready" in page
        assert "No hub has a verified channel." in page


async def test_those_who_ask_for_readiness_together_share_one_answer() -> None:
    asked = 0
    answer = asyncio.Event()

    async def counted() -> str | None:
        nonlocal asked
        asked += 1
        await answer.wait()
        return None

    asked_of = readiness.Readiness([checked(counted)])
    asking = [asyncio.create_task(asked_of.findings()) for _ in range(5)]
    await until(lambda: asked)
    asking.pop(0).cancel()
    answer.set()
    assert await asyncio.gather(*asking) == [[]] * 4
    assert asked == 1
    await asked_of.findings()
    assert asked == 2  # an answer is shared, and not kept


class Markup(HTMLParser):
    """Collects what an accessibility check looks at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def test_the_front_page_says_what_runs_and_fetches_nothing_from_anywhere() -> None:
    services = [checked(fine), Service("<alerts>")]
    async with served(*services) as (nobody, _):
        answer = await nobody.get("/")
        page = Markup(answer.body)
        links = [link["href"] for link in page.all("a")]
        assert links == ["docs", "openapi.json", "metrics", "healthz", "readyz"]
        for link in links:
            assert (await nobody.get(f"/{link}")).status == 200
        assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
        assert "ingest" in answer.body
        assert "&lt;alerts&gt;" in answer.body
        assert page.all("html") == [{"lang": "en-GB"}]
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_pages_of_a_service_for_people_are_the_first_links_of_the_front_page() -> None:
    link = Link("/console/", "Console", "for <operators>", frozenset())
    async with served(Service("x", links=(link,))) as (nobody, _):
        answer = await nobody.get("/")
        assert [link["href"] for link in Markup(answer.body).all("a")][:2] == ["console/", "docs"]
        assert "Console: for &lt;operators&gt;" in answer.body


async def test_text_and_links_of_the_front_page_stand_out_from_their_ground() -> None:
    async with served() as (nobody, _):
        style = (await nobody.get("/")).body
    light, dark = re.findall(r":root \{([^}]*)\}", style)
    defaults = dict(re.findall(r"--(\w+): (#\w{6})", light))
    for scheme in (defaults, defaults | dict(re.findall(r"--(\w+): (#\w{6})", dark))):
        for name in ("ink", "link", "bad", "good"):
            assert contrast(scheme[name], scheme["ground"]) >= 7, (name, scheme)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's ratio of contrast."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_the_api_documents_work_without_the_internet() -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        page = (await nobody.get("/docs")).body
        assets = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(assets) >= 3
        for asset in assets:
            assert asset.startswith("/"), f"{asset} is fetched from elsewhere"
            async with nobody.session.get(nobody.url + asset) as response:
                assert response.status == 200
        document = (await nobody.get("/openapi.json")).body
        assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        operations = [each for path in document["paths"].values() for each in path.values()]
        assert operations
        assert all(each["security"] == [{"token": []}] for each in operations)
        assert all(PROBLEM in each["responses"]["4XX"]["content"] for each in operations)
        assert "HTTPValidationError" not in str(document)


async def test_no_answer_is_sniffed_and_none_that_needed_a_token_is_kept(subtests: pytest.Subtests) -> None:
    async with served(Service("x", [await routes()])) as (nobody, _):
        for path in ("/", "/metrics", "/nowhere", "/api/v1/things", "/api/v1/things/bug"):
            with subtests.test(path=path):
                answer = await nobody.by(TOKEN).get(path)
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "Server" not in answer.headers
        assert (await nobody.by(TOKEN).get("/api/v1/things")).headers["Cache-Control"] == "no-store"


async def test_a_bug_is_logged_with_its_traceback_and_no_request_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with served(Service("x", [await routes()])) as (nobody, _):
        await nobody.by(TOKEN).get("/api/v1/things?q=private")
        assert "private" not in caplog.text
        await nobody.by(TOKEN).get("/api/v1/things/bug")
    assert "ZeroDivisionError" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_taken_port_is_told_and_a_freed_one_can_be_taken_at_once() -> None:
    app = create_app("telecare", [], CollectorRegistry())
    # One of the tests' own: of those that the system gives out, somebody's outgoing connection may take it meanwhile.
    server = await serve(app, "127.0.0.1", free_port())
    with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {server.port}") as told:
        await serve(app, "127.0.0.1", server.port)
    assert told.value.errno == errno.EADDRINUSE
    await server.stop()
    again = await serve(app, "127.0.0.1", server.port)
    assert again.port == server.port
    await again.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass


async def test_a_connection_that_a_client_keeps_for_its_next_request_is_given_up_by_the_client_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """nginx does after a minute. Were it us, a POST sent in that instant would get no answer, and nobody may send it again."""
    loop, later_s = asyncio.get_running_loop(), 0.0
    its_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: its_time() + later_s)
    async with served() as (_, server):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for _ in range(2):
            writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 ")
            later_s = 65.0
            for _ in range(5):  # whatever is due by then is done
                await asyncio.sleep(0)
        writer.close()


async def test_prometheus_is_told_how_much_keeps_each_service_from_being_ready() -> None:
    """A loop that fails keeps its gauges as they were; and Prometheus asks no /readyz."""

    async def no_recipient() -> str | None:
        return "No hub has a verified channel."

    async def nothing() -> int:
        return 0

    loop = Loop("claims", nothing, every_s=1, failing_since=0.001)
    metrics = CollectorRegistry()
    gauge = readiness.ReadinessGauge([checked(fine, no_recipient, loops=[loop]), Service("registry")], [], metrics)

    def told() -> dict[str, float | None]:
        return {
            name: metrics.get_sample_value("telecare_unready", {"service": name}) for name in ("ingest", "registry")
        }

    assert await gauge.run_once() == 0
    assert told() == {"ingest": 2, "registry": 0}
    loop.failing_since = None
    await gauge.run_once()
    assert told() == {"ingest": 1, "registry": 0}


async def test_prometheus_is_told_what_a_process_cannot_look_after_though_its_services_are_ready() -> None:
    """The database's disk vanishes from where it was: its figure would stand still, and every other look well."""

    async def nothing() -> int:
        return 0

    vitals, clock = Loop("database-vitals", nothing, every_s=15), Loop("clock", nothing, every_s=15)
    metrics = CollectorRegistry()
    gauge = readiness.ReadinessGauge([Service("alerts")], [vitals, clock], metrics)
    vitals.failing_since = time.monotonic() - 400
    await gauge.run_once()

    def failing_s(loop: str) -> float:
        told = metrics.get_sample_value("telecare_loop_failing_seconds", {"loop": loop})
        assert told is not None
        return told

    assert failing_s("database-vitals") >= 400
    assert failing_s("clock") == 0
    vitals.failing_since = None
    await gauge.run_once()
    assert failing_s("database-vitals") == 0


async def test_the_first_request_waits_for_no_route_to_be_made() -> None:
    """`include_router` makes each a second time when it is asked first, with all else that a process does standing still."""
    app = create_app("telecare", [Service("x", [await routes()])], CollectorRegistry())
    assert {"/healthz", "/api/v1/things/bug"} <= {route.path for route in app.routes if isinstance(route, APIRoute)}
    assert {type(route) for route in app.routes} <= {APIRoute, Route, Mount}, app.routes


async def test_a_request_that_never_ends_does_not_hold_up_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    router, begun = (await access_to(NOWHERE)).router(prefix="/api/v1/things"), asyncio.Event()

    @router.get("/slow")
    async def slow() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    server = await serve(create_app("telecare", [Service("x", [router])], CollectorRegistry()), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        api = Api(session, server.url, TOKEN)
        hanging = asyncio.create_task(api.get("/api/v1/things/slow"))
        async with asyncio.timeout(60):
            await begun.wait()
            assert (await api.get("/healthz")).status == 200
            await server.stop()
            await server.wait()
        (outcome,) = await asyncio.gather(hanging, return_exceptions=True)
        assert isinstance(outcome, aiohttp.ClientError) or outcome.status == 500  # type: ignore[union-attr]
