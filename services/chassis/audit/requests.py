"""Requests into rows: before they are done, and after.

`admitted` is called by whoever has just found out who asks: the API's doorkeeper and the pages' gate. So every route behind them is
audited without a thought of its own, and a stranger without a token fills no log.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import Request

from contracts.access import Principal
from services.chassis.audit.entry import Entry, is_id, outcome_of
from services.chassis.audit.log import AuditLog
from services.chassis.audit.marks import Marks, marks_of

_log = structlog.get_logger(__name__)

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SAME_LOOK_S: Final = 300.0
"""A page looks again and again: a look is on record once, and stands for the same one's of the next five minutes."""
_LOOKS_MAX: Final = 10_000
# What may be told of a query: words and ids of ours. Whatever else was sought may be somebody's name.
_TELLABLE: Final = frozenset(
    {
        "council",
        "hub",
        "device",
        "stage",
        "state",
        "priority",
        "month",
        "active",
        "format",
        "mode",
        "dry_run",
        "who",
        "subject",
    }
)


@dataclass(slots=True)
class Case:
    """A request that is audited: what is written of it when it is answered."""

    entry: Entry
    marks: Marks
    looks: bool


class Looks:
    """Those of the last minutes."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def is_new(self, *look: object) -> bool:
        now = time.monotonic()
        if self._until.get(look, 0.0) > now:
            return False
        self._until.pop(look, None)
        self._until[look] = now + SAME_LOOK_S
        while len(self._until) > _LOOKS_MAX:
            self._until.popitem(last=False)
        return True

    def forget(self, *look: object) -> None:
        """It was not written down."""
        self._until.pop(look, None)


class Unaudited(ConnectionError):
    """It can't be written down, so it is not done. Whoever asks is told to try again."""


async def admitted(request: Request) -> None:
    """`request.state.principal` asks. Raises Unaudited when that can't be written down and must be."""
    audit: AuditLog | None = getattr(request.app.state, "audit", None)
    if audit is None:
        return
    marks, looks = marks_of(request.scope.get("endpoint")), request.method in READING
    if marks.nothing is not None or (looks and not marks.people):
        request.state.audit = None
        return
    entry = _asked(request)
    known: Looks = request.app.state.looks
    look = (entry.who, entry.operator, entry.action, entry.subject, str(entry.detail))
    if looks and not known.is_new(*look):
        request.state.audit = None
        return
    request.state.audit = Case(entry, marks, looks)
    if not marks.waits:
        return
    try:
        await audit.write(entry)
    except Exception as error:
        known.forget(*look)
        request.state.audit = None
        _log.critical("audit_failed", action=entry.action, reason=type(error).__name__)
        raise Unaudited from error


def passed_the_door(request: Request, action: str, who: Principal | None, operator: str | None) -> None:
    """Somebody signed in or out, or (`who` is None) tried to. An operator at night is kept out by no audit."""
    audit: AuditLog | None = getattr(request.app.state, "audit", None)
    if audit is not None:
        entry = Entry("door", who.name if who else "nobody", action, "done" if who else "refused", operator=operator)
        known = replace(entry, role=who.role, hub_id=who.hub_id) if who else entry
        audit.later(replace(known, request_id=request.state.request_id))


def answered(scope: Mapping[str, Any], status: int, headers: Mapping[bytes, bytes]) -> None:
    """What became of it, as soon as that can be written. An answer that was given before (`Idempotent-Replay`) is no news."""
    audit: AuditLog | None = getattr(scope["app"].state, "audit", None) if "app" in scope else None
    if audit is None or b"idempotent-replay" in headers:
        return
    state = scope["state"]
    case: Case | None = state.get("audit")
    if case is None:
        if "audit" not in state and scope["method"] not in READING and status < HTTPStatus.BAD_REQUEST:
            _unforeseen(audit, scope, status)
        return
    outcome = outcome_of(status)
    if case.looks and case.marks.waits and outcome == "done":
        return  # that it was asked for is on record
    entry = replace(case.entry, outcome=outcome, status=status)
    location = headers.get(b"location", b"").decode("latin-1")
    audit.later(_about(entry, location) if entry.subject is None and location else entry)


def _unforeseen(audit: AuditLog, scope: Mapping[str, Any], status: int) -> None:
    endpoint = scope.get("endpoint")
    if marks_of(endpoint).nothing is None:
        action = f"{scope['method']} {_template(scope)}"
        audit.unforeseen(Entry("api", "nobody", action, "done", status=status, request_id=scope["state"]["request_id"]))


def _asked(request: Request) -> Entry:
    principal, session = request.state.principal, getattr(request.state, "session", None)
    names = list(request.path_params)
    values = {name: str(value) if is_id(str(value)) else "(no id)" for name, value in request.path_params.items()}
    detail: dict[str, Any] = {name: values[name] for name in names[:-1]}
    sought = {
        name: value if name in _TELLABLE and is_id(value) else "…" for name, value in request.query_params.items()
    }
    if sought:
        detail["query"] = dict(list(sought.items())[:20])
    return Entry(
        via="page" if session is not None else "api",
        who=principal.name,
        operator=getattr(session, "operator", None),
        role=principal.role,
        hub_id=principal.hub_id,
        action=f"{request.method} {_template(request.scope)}",
        subject_kind=names[-1].removesuffix("_id") if names else None,
        subject=values[names[-1]] if names else None,
        outcome="asked",
        detail=detail or None,
        request_id=request.state.request_id,
    )


def _about(entry: Entry, location: str) -> Entry:
    """What was made, by the address that it was given: `/api/v1/devices/TC-1`."""
    *_, kind, id_ = ["", "", *location.split("?", maxsplit=1)[0].rstrip("/").split("/")]
    return replace(entry, subject_kind=kind.removesuffix("s"), subject=id_) if is_id(kind) and is_id(id_) else entry


def _template(scope: Mapping[str, Any]) -> str:
    """The route's path as it is written: `/api/v1/devices/{device_id}`."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return str(path) if path else "?"
