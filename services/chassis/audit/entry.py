"""A row of the audit log."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Via: TypeAlias = Literal["api", "page", "door", "mqtt", "command line", "service"]
Outcome: TypeAlias = Literal["asked", "done", "refused", "failed"]

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def new_request_id() -> str:
    return uuid.uuid4().hex


def is_id(text: str) -> bool:
    """Whether a text from outside may stand for itself: no id of ours is longer, or written otherwise."""
    return _ID.fullmatch(text) is not None


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says of it."""
    return "done" if status < 400 else "refused" if status < 500 else "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """`who` did, or asked for, `action`. `detail` holds ids and words of ours; no personal data, and no secret."""

    via: Via
    who: str
    action: str
    outcome: Outcome
    operator: str | None = None
    role: str | None = None
    hub_id: str | None = None
    subject_kind: str | None = None
    subject: str | None = None
    status: int | None = None
    detail: Mapping[str, Any] | None = None
    request_id: str = field(default_factory=new_request_id)
