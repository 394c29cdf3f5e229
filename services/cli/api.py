"""The HTTP API as the command line's own client: what it may do, and what is refused, is decided in one place only."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import aiohttp

from services.chassis.settings import SettingsError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_DOWNLOAD: Final = aiohttp.ClientTimeout(total=None, sock_read=60)
_UPLOAD: Final = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=180)
_PAGE: Final = 500


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, some: bytes, /) -> int: ...


class ApiError(Exception):
    """The service refused, or could not be asked; the message is for the person at the terminal."""

    def __init__(self, message: str, problem: Any = None) -> None:
        super().__init__(message)
        self.problem: dict[str, Any] = problem if isinstance(problem, dict) else {}


class Api:
    """`async with Api.from_environment() as api:`. TELECARE_API_URL says where, TELECARE_API_TOKEN (or the bootstrap token) who."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(
            url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=False
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Raises SettingsError when there is no token, or no URL of HTTP."""
        return cls(*api_address())

    async def call(self, method: str, path: str, body: Any = None, **query: str | int | None) -> Any:
        """Ask, and return the JSON answered. Raises ApiError with the problem's detail and the fields at fault."""
        sought = {name: str(value) for name, value in query.items() if value is not None}
        try:
            async with self._http.request(method, path, json=body, params=sought) as response:
                answer = await response.json(content_type=None)
                if response.status >= 400:
                    raise ApiError(_explain(response.status, answer))
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(
                f"{self._url} could not be asked ({type(error).__name__}): is `telecare up` running there?"
            ) from None

    async def upload(self, path: str, file: BinaryIO, **query: str | None) -> Any:
        """Send a file, and return the JSON answered. Raises ApiError, which holds the problem document where there is one."""
        sought = {name: value for name, value in query.items() if value is not None}
        sent = {"Content-Type": "text/csv"}
        try:
            async with self._http.post(path, data=file, params=sought, headers=sent, timeout=_UPLOAD) as response:
                answer = await response.json(content_type=None)
                if response.status >= 400:
                    raise ApiError(_explain(response.status, answer), answer)
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(
                f"{self._url} did not say what became of the file ({type(error).__name__}): "
                "send it again, which changes nothing twice"
            ) from None

    async def download(self, path: str, file: Sink, **query: str | int | None) -> int:
        """What is answered, as it comes, into `file`; returns how many bytes. Raises ApiError."""
        sought = {name: str(value) for name, value in query.items() if value is not None}
        written = 0
        try:
            async with self._http.get(path, params=sought, timeout=_DOWNLOAD) as response:
                if response.status >= 400:
                    raise ApiError(_explain(response.status, await response.json(content_type=None)))
                async for some in response.content.iter_any():
                    written += file.write(some)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(
                f"{self._url} broke off ({type(error).__name__}) after {written:,} bytes: ask again"
            ) from None
        return written

    async def every(self, path: str, **query: str | None) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.call("GET", path, limit=_PAGE, cursor=cursor, **query)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()


def api_address() -> tuple[str, str]:
    """Where the API is, and the token that says who asks. Raises SettingsError when there is no token, or no URL of HTTP."""
    token = os.environ.get("TELECARE_API_TOKEN") or os.environ.get("TELECARE_BOOTSTRAP_TOKEN")
    if not token:
        raise SettingsError("TELECARE_API_TOKEN is not set: `telecare token create NAME --role ops` makes one")
    url = os.environ.get("TELECARE_API_URL", "http://127.0.0.1:8080")
    if not url.startswith(("http://", "https://")):
        raise SettingsError("TELECARE_API_URL is not usable: write it like http://127.0.0.1:8080")
    return url, token


def _explain(status: int, problem: Any) -> str:
    if not isinstance(problem, dict):
        return f"answered {status}"
    detail = str(problem.get("detail") or problem.get("title") or f"answered {status}")
    faults = [f"{each.get('field')}: {each.get('message')}" for each in problem.get("errors", [])]
    return "; ".join([detail, *(fault for fault in faults if fault not in detail)])
