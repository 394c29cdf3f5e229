"""The page of the rollout, asked for without a browser: what it says, by what it is sorted, who may have it as a file."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest

from contracts.access import Role
from services.registry.rollout import store
from tests.integration.registry.rollout.life import count, live, move
from tests.integration.registry.running import Registry, registry_of
from tests.support.servers import Database

RIGHTS: dict[Role, dict[str, Any]] = {"hub": {"hub_id": "clyde-arc"}, "engineer": {"councils": ["fife"]}}


@pytest.fixture
async def registry(database: Database, tmp_path: Path) -> AsyncIterator[Registry]:
    async with registry_of(database, tmp_path, with_door=True) as running:
        yield running


async def page(registry: Registry, role: Role, **query: str) -> tuple[str, str]:
    """What somebody of that role gets, signed in: its type, and its text."""
    caller = await registry.caller(role, f"{role} {len(query)} {query}", **RIGHTS.get(role, {}))
    url = registry.ops.url
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        form = {"token": str(caller.token), "operator": "Ailsa"}
        async with browser.post(f"{url}/sign-in", data=form, headers={"Origin": url}) as door:
            assert door.status == HTTPStatus.OK, await door.text()
        async with browser.get(f"{url}/rollout/", params=query, headers={"Accept": "text/html"}) as answer:
            assert answer.status == HTTPStatus.OK, await answer.text()
            return answer.content_type, await answer.text()


def councils(text: str) -> list[str]:
    table = text.split('<table class="councils">')[1]
    return re.findall(r'<th scope="row">([^<]+)</th>', table)


async def test_devices_of_every_stage_are_told_and_live_says_who_was_never_heard(registry: Registry) -> None:
    await live(registry, "TC-1")
    await live(registry, "TC-2", heard=False)
    await live(registry, "TC-3")
    await move(registry, "TC-3", "suspend")
    await count(registry)
    _, text = await page(registry, "viewer")
    told = text.split('<table class="stages"')[1].split("</table>")[0]
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th><td class="number">([^<]+)</td>', told))
    assert (rows["live (of them 1 not heard yet)"], rows["suspended"], rows["withdrawn"]) == ("2", "1", "0")
    assert '<strong class="big">1</strong> of 1,000 live' in text


async def test_whoever_has_a_role_may_read_the_figures(registry: Registry) -> None:
    await registry.make_hub("clyde-arc", "fife")
    for role in get_args(Role):
        _, text = await page(registry, role)
        assert len(councils(text)) == 32, role


async def test_councils_are_sorted_as_asked_and_what_nobody_knows_stands_last(registry: Registry) -> None:
    for name, users in (("fife", 10), ("moray", 30)):
        await registry.ops.put(f"/api/v1/councils/{name}", {"telecare_users": users})
    _, down = await page(registry, "ops", sort="users")
    _, up = await page(registry, "ops", sort="users", order="ascending")
    assert (councils(down)[:2], councils(up)[:2]) == (["Moray", "Fife"], ["Fife", "Moray"])
    _, unknown = await page(registry, "ops", sort="no such column", order="sideways")
    assert councils(unknown) == sorted(councils(unknown), key=str.casefold)


async def test_what_a_council_writes_is_text_and_never_markup(registry: Registry) -> None:
    await registry.ops.put("/api/v1/councils/fife", {"telecare_users": 10, "source": "<b>board</b>"})
    _, text = await page(registry, "ops")
    assert "&lt;b&gt;board&lt;/b&gt;" in text
    assert "<b>board</b>" not in text


async def test_councils_and_weeks_are_files_too(registry: Registry) -> None:
    await live(registry, "TC-1")
    await count(registry)
    for form, column in (("csv", "council_id"), ("weeks", "week")):
        kind, text = await page(registry, "viewer", format=form)
        assert kind == "text/csv"
        assert column in text.splitlines()[0].split(",")


async def test_the_figures_and_the_weeks_are_of_one_moment(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device goes live, and is counted, just between the two readings of one page."""
    await live(registry, "TC-1")
    await count(registry)
    read = store._read

    async def read_and_be_overtaken(*arguments: Any) -> Any:
        found = await read(*arguments)
        if not overtaken:
            overtaken.append(True)
            await live(registry, "TC-2")
            await count(registry)
        return found

    overtaken: list[bool] = []
    monkeypatch.setattr(store, "_read", read_and_be_overtaken)
    assert _live_in_both((await page(registry, "viewer"))[1]) == ("1", "1")
    assert overtaken
    assert _live_in_both((await page(registry, "viewer", sort="live"))[1]) == ("2", "2")


def _live_in_both(text: str) -> tuple[str, str]:
    """What is live: of the great figure, and of the newest week in the table of weeks."""
    figure = re.search(r'<strong class="big">([^<]+)</strong>', text)
    week = re.search(r'<table class="weeks">.*?<td class="number">([^<]+)</td>', text, re.DOTALL)
    assert figure
    assert week
    return figure[1], week[1]
