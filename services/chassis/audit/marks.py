"""What a route says of itself to the audit. Set on its function, above which stands the route's decorator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_NAME: Final = "__audit_marks__"


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one route. `nothing` is why it is not audited although its method is none that only reads."""

    people: bool = False
    waits: bool = True
    nothing: str | None = None


def marks_of(endpoint: Any) -> Marks:
    """What is marked, or else the rule: what changes something is audited before it is done."""
    marks: Marks = getattr(endpoint, _NAME, Marks())
    return marks


def reads_people(endpoint: F) -> F:
    """It shows what is about a person (a device's `installation_ref`, a responder): who asked is on record before the answer."""
    return _mark(endpoint, people=True)


def never_waits(endpoint: F) -> F:
    """An alarm's: somebody lies on a floor. It is answered whether or not it can be audited; the row follows as soon as it can."""
    return _mark(endpoint, waits=False)


def unaudited(why: str) -> Callable[[F], F]:
    """A POST that is no change anybody will ever ask about, or that writes its own row."""

    def mark(endpoint: F) -> F:
        return _mark(endpoint, nothing=why)

    return mark


def _mark(endpoint: F, **marked: Any) -> F:
    setattr(endpoint, _NAME, replace(marks_of(endpoint), **marked))
    return endpoint
