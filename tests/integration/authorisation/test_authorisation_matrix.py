"""The authorisation matrix: every route × every role × one's own and another's council, hub, device and alarm (`matrix.txt`)."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from contracts.access import Role
from tests.integration.authorisation.asking import ask, bearer
from tests.integration.authorisation.matrix import FILE, ROLES, Entry, read_matrix
from tests.integration.authorisation.world import MARKS_OF_OTHERS, Side, Told, World

_REFUSED: Final = frozenset({401, 403, 404})
_SIDES: Final[tuple[Side, ...]] = ("own", "foreign")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# Files of the documentation pages, which are the same for everybody.
_MOUNTS: Final = frozenset({"/static-offline-docs"})


def routes_of(world: World) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for route in iter_route_contexts(world.app.routes):
        if isinstance(route.original_route, Mount):
            assert route.path in _MOUNTS, (
                f"{route.path} is mounted: its routes can't be enumerated, so say here why it is open"
            )
            continue
        assert route.path is not None
        assert route.methods is not None
        found |= {(method, route.path) for method in route.methods}
    return found


async def test_every_route_says_who_may_use_it(world: World) -> None:
    entries = [entry.route for entry in read_matrix()]
    missing = sorted(routes_of(world) - set(entries))
    told = "\n".join(f"  {method:8} {path}" for method, path in missing)
    assert not missing, (
        f"{FILE} does not say who may use these routes: add a line for each (its head explains how), with a body that is whole:\n"
        f"{told}"
    )
    stale = sorted(set(entries) - routes_of(world))
    assert not stale, f"{FILE} has lines for routes that are no more: {stale}"
    assert len(entries) == len(set(entries)), f"{FILE} has two lines for one route"


async def test_everybody_may_do_what_the_matrix_says_and_nothing_else(world: World) -> None:
    async def faults(entry: Entry) -> list[str]:
        asked = [(role, side) for role in ROLES for side in _SIDES]
        # One after the other: some (an import) are answered one at a time.
        told = [await ask(world, entry, side, credentials(world, entry, role)) for role, side in asked]
        judged = (judge(entry, role, side, each) for (role, side), each in zip(asked, told, strict=True))
        return [fault for fault in judged if fault is not None]

    wrong = [fault for entry in read_matrix() for fault in await faults(entry)]
    assert not wrong, "\n".join(wrong)


async def test_nobody_comes_in_without_a_token_nor_with_one_that_has_expired_or_was_revoked(world: World) -> None:
    now = datetime.now(UTC)
    expiring = await world.token("ops", "expiring", expires_at=now + timedelta(hours=1))
    revoked = await world.token("ops", "revoked soon")
    cookies = [await world.sign_in(expiring), await world.sign_in(revoked)]
    await world.database.execute(
        "update registry.access_token set expires_at = now() - interval '1 s' where name = 'expiring'"
    )
    await world.database.execute("update registry.access_token set revoked_at = now() where name = 'revoked soon'")
    await forgotten(world, [expiring, revoked])
    strangers: dict[str, dict[str, str]] = {
        "nobody": {},
        "an expired token": bearer(expiring),
        "a revoked token": bearer(revoked),
        "a made-up token": bearer("tc_made-up"),
        "the session of an expired token": {"Cookie": cookies[0]},
        "the session of a revoked token": {"Cookie": cookies[1]},
        "a token in the wrong place": {"Cookie": f"token={world.tokens['ops']}"},
    }
    wrong = []
    things = await world.fresh("own")
    for entry in read_matrix():
        answers = await asyncio.gather(*(ask(world, entry, "own", each, things) for each in strangers.values()))
        for who, told in zip(strangers, answers, strict=True):
            if (told.status == 401) != (entry.door in {"401", "gate", "own"}) and entry.door != "door":
                wrong.append(
                    f"{entry.method} {entry.path}: {who} is answered {told.status}, and its door is {entry.door!r}"
                )
            if entry.door == "401" and told.status == 401 and "WWW-Authenticate" not in told.headers:
                wrong.append(f"{entry.method} {entry.path}: a 401 says what it takes, in WWW-Authenticate")
    assert not wrong, "\n".join(wrong)


async def test_a_person_who_is_not_signed_in_is_led_to_the_door(world: World) -> None:
    for entry in read_matrix():
        if entry.door == "gate" and entry.method == "GET":
            told = await ask(world, entry, "own", {"Accept": "text/html"})
            assert (told.status, "sign-in" in told.headers.get("Location", "")) == (303, True), entry.path


async def test_a_session_opens_no_door_of_the_api_and_a_token_none_of_the_pages(world: World) -> None:
    """A page elsewhere that has our cookie sent along achieves nothing at the API, which knows no Origin."""
    things = await world.fresh("own")
    for entry in read_matrix():
        if entry.door in {"401", "gate"}:
            other = {"Cookie": world.cookies["ops"]} if entry.door == "401" else bearer(world.tokens["ops"])
            told = await ask(world, entry, "own", other, things)
            assert told.status == 401, f"{entry.method} {entry.path} is answered {told.status}"


async def test_nothing_is_done_that_does_not_come_from_a_page_of_ours(world: World) -> None:
    things = await world.fresh("own")
    for entry in read_matrix():
        if entry.is_page and entry.method not in {"GET", "HEAD"}:
            for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""}):
                told = await ask(world, entry, "own", {"Cookie": world.cookies["ops"], **origin}, things)
                assert told.status == 403, f"{entry.path} takes {origin}: {told.status}"


async def test_no_method_but_those_of_the_matrix_is_answered(world: World) -> None:
    """`HEAD` and `OPTIONS` among them: they tell nobody anything, and change nothing."""
    entries, things = read_matrix(), await world.fresh("own")
    anybody = bearer(world.tokens["ops"]) | {"Cookie": world.cookies["ops"]}
    methods: dict[str, set[str]] = {}
    for entry in entries:
        methods.setdefault(entry.path, set()).add(entry.method)
    for path, known in methods.items():
        like = next(entry for entry in entries if entry.path == path)
        # Another path may match too (`/devices/{device_id}` and `/devices/export`): there it is asked for under its own line.
        others = [
            Entry(method, path, like.door, like.verdicts, values=like.values)
            for method in set(_METHODS) - known
            if not any(method == each.method and matches(each.path, path) for each in entries)
        ]
        answers = await asyncio.gather(*(ask(world, other, "own", anybody, things) for other in others))
        for other, told in zip(others, answers, strict=True):
            assert told.status in {401, 403, 404, 405}, f"{other.method} {path} is answered {told.status}"


def test_a_line_that_is_none_is_named() -> None:
    for text in ("GET /x 401 yes no", "GET /x 401 yes no maybe no", "GET /x 401 yes no no no\n    json {"):
        with pytest.raises(ValueError, match="line"):
            read_matrix(text)


def test_a_route_that_lets_somebody_in_would_be_noticed() -> None:
    entry = Entry("GET", "/x", "401", {"ops": "yes", "engineer": "part", "hub": "own", "viewer": "no"})
    there, hidden, leak = Told(200, "", {}), Told(404, "", {}), Told(200, "TC-foreign-1", {})
    assert judge(entry, "viewer", "own", there)
    assert judge(entry, "hub", "foreign", there)
    assert judge(entry, "hub", "own", hidden)
    assert judge(entry, "engineer", "own", leak)
    assert judge(entry, "ops", "foreign", hidden)
    assert judge(entry, "ops", "own", Told(500, "", {}))
    assert judge(entry, "ops", "own", Told(429, "", {}))
    assert not judge(entry, "hub", "foreign", hidden)
    assert not judge(entry, "ops", "foreign", leak)


def judge(entry: Entry, role: Role, side: Side, told: Told) -> str | None:
    """In a sentence what is wrong with the answer to this role, about its own or another's."""
    verdict = entry.verdicts[role]
    where = f"{entry.method} {entry.path}: {role}, {side}"
    if verdict == "-":
        return None
    # (The loops rest here, so the service is not ready; whoever asks is told.)
    if (told.status >= 500 and entry.path != "/readyz") or told.status == 429:
        return f"{where}: {told.status} says nothing about who may; {told.text[:300]}"
    may = verdict in {"yes", "part"} or (verdict == "own" and side == "own")
    if may == (told.status in _REFUSED):
        return f"{where}: the matrix says {verdict!r}, and the answer is {told.status} {told.text[:300]}"
    if verdict == "part":
        if told.status >= 400:
            return f"{where}: {told.status} shows no part of anything; {told.text[:300]}"
        seen = [mark for mark in MARKS_OF_OTHERS if mark in told.text.lower()]
        return f"{where}: the answer shows what is another's ({seen})" if seen else None
    return None


def credentials(world: World, entry: Entry, role: Role) -> dict[str, str]:
    return {"Cookie": world.cookies[role]} if entry.door == "gate" else bearer(world.tokens[role])


async def forgotten(world: World, tokens: list[str]) -> None:
    """What the service remembers of them has gone: a revoked token is refused within seconds, not at once."""
    for token in tokens:
        for path in ("/api/v1/councils", "/api/v1/alarms"):
            async with asyncio.timeout(60):
                while True:
                    async with world.http.get(world.url + path, headers=bearer(token)) as answer:
                        if answer.status == 401:
                            break
                    await asyncio.sleep(0.1)


def matches(pattern: str, path: str) -> bool:
    """Whether a path of the table, as it is written, would also be taken by another line's pattern."""
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) is not None
