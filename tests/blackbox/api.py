"""The HTTP API as a stranger with a token uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import until

PROBLEM = "application/problem+json"
COME_LATER = 503
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is the JSON where it is some, else the text."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]


class Api:
    """One caller, by his token; None is nobody. Whoever is told to come later does so; `send` asks once."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self.session = session
        self.url = url
        self.token = token

    def by(self, token: str | None) -> "Api":
        """The same service, asked by somebody else."""
        return Api(self.session, self.url, token)

    def at(self, url: str) -> "Api":
        """The same caller, at another process."""
        return Api(self.session, url, self.token)

    async def get(self, path: str, **query: str | int) -> Answer:
        return await self._insist("GET", path, query=query)

    async def post(self, path: str, body: object = None) -> Answer:
        return await self._insist("POST", path, body)

    async def put(self, path: str, body: object) -> Answer:
        return await self._insist("PUT", path, body)

    async def patch(self, path: str, body: object) -> Answer:
        return await self._insist("PATCH", path, body)

    async def _insist(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str | int] | None = None
    ) -> Answer:
        """The same again for as long as we are told to come later, which says that nothing is wrong with the request.

        What can't be audited within three seconds is not done, and told so: a busy machine stands still for five.
        """

        async def answered() -> Answer | None:
            answer = await self.send(method, path, body, query=query)
            return None if answer.status == COME_LATER and "Retry-After" in answer.headers else answer

        return await until(answered, _PATIENCE_S, what=f"{method} {path} to be answered")

    async def send(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str | int] | None = None
    ) -> Answer:
        async with self.session.request(
            method, self.url + path, json=body, params=query, headers=self.headers, allow_redirects=False
        ) as response:
            is_json = response.content_type in {"application/json", PROBLEM}
            return Answer(
                response.status,
                await response.json(content_type=None) if is_json else await response.text(),
                response.headers.copy(),
            )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Metrics:
    """One scrape of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, sample_name: str, **labels: str) -> float:
        """The sum of the samples of that name which bear these labels; 0 where there is none."""
        return sum(
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == sample_name and labels.items() <= sample.labels.items()
        )

    def labels(self, family: str) -> set[str]:
        """The names of the labels of a family, apart from those of its kind (`le` of a histogram)."""
        samples = self.families[family].samples
        return {name for sample in samples for name in sample.labels} - {"le"}
