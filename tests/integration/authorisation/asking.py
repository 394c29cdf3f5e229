"""A request of the matrix, sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp

from tests.integration.authorisation.matrix import Entry
from tests.integration.authorisation.world import Side, Told, World

_STREAM_BEGINS_S: Final = 0.2


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(
    world: World, entry: Entry, side: Side, headers: dict[str, str], about: Mapping[str, str] | None = None
) -> Told:
    """The request of the entry, about things of that side that nobody has touched yet."""
    things = {**(about or await world.fresh(side)), **entry.values}
    unknown = [name for name in entry.names if name not in things]
    assert not unknown, f"{entry.path}: {unknown} must be made in world.py (fresh), one's own and another's"
    fill: Callable[[str], str] = lambda text: re.sub(r"<(\w+)>", lambda match: things[match[1]], text)  # noqa: E731
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: fill(things[match[1]]), entry.path)
    sent = {"Origin": world.url, "Accept": "application/json"} if entry.is_page else {}
    body: str | None = None
    if entry.json is not None:
        body, sent["Content-Type"] = fill(entry.json), "application/json"
    elif entry.form is not None:
        body, sent["Content-Type"] = fill(entry.form), "application/x-www-form-urlencoded"
    url = f"{world.url}{path}" + (f"?{fill(entry.query)}" if entry.query else "")
    async with world.http.request(
        entry.method, url, data=body, headers=sent | headers, allow_redirects=False
    ) as answer:
        return Told(answer.status, await text_of(answer), answer.headers.copy())


async def text_of(answer: aiohttp.ClientResponse) -> str:
    """The body; of a stream, what it begins with."""
    if answer.content_type != "text/event-stream":
        return await answer.text(errors="replace")
    text = b""
    try:
        async with asyncio.timeout(_STREAM_BEGINS_S):
            while b"event: live" not in text:
                text += await answer.content.readany()
    except TimeoutError:
        pass
    return text.decode()
