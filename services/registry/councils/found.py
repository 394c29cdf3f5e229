"""The one answer to whoever names a council that does not exist."""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeVar

from services.chassis.http import Problem

T = TypeVar("T")


def found_council(answer: T | None, council_id: str) -> T:
    """The answer; 404 where it is None, which means that there is no such council."""
    if answer is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no council {council_id}; GET /api/v1/councils lists them.")
    return answer
