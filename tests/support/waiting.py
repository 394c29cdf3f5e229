"""The one way in which a test waits for the world outside."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

_T = TypeVar("_T")
_POLL_S = 0.01
_PATIENCE_S = 30.0  # a busy machine pauses a process for five seconds; who need not wait pays nothing


@overload
async def until(
    predicate: Callable[[], Awaitable[_T | None]], timeout_s: float = _PATIENCE_S, *, what: str = ""
) -> _T: ...
@overload
async def until(predicate: Callable[[], _T | None], timeout_s: float = _PATIENCE_S, *, what: str = "") -> _T: ...
async def until(
    predicate: Callable[[], _T | Awaitable[_T | None] | None], timeout_s: float = _PATIENCE_S, *, what: str = ""
) -> _T:
    """Poll until `predicate()` is true, and return what it returned.

    Raises `AssertionError`, with `what` (or the predicate's source) and its last answer, when that takes longer than
    `timeout_s`. An exception of the predicate is the test's.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout_s} s: {what or _source(predicate)}; the last answer was {answer!r}"
            )
        await asyncio.sleep(_POLL_S)


def _source(predicate: Callable[[], object]) -> str:
    try:
        return inspect.getsource(predicate).strip()
    except (OSError, TypeError):
        return repr(predicate)
