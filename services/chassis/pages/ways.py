"""Which pages there are in this process, whom they are for, and where a sign-in may go on to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fastapi import Request

from contracts.access import Role
from services.chassis.service import Link

# A path of ours and a plain query: no scheme, no host, no `//`, no `..`, no backslash, nothing encoded in the path.
_LOCAL: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?(?:\?[A-Za-z0-9_.~%=&:+-]*)?")

_LENGTH_MAX: Final = 512


def all_links(request: Request) -> Sequence[Link]:
    """Of the services of this process, in their order."""
    links: Sequence[Link] = request.app.state.links
    return links


def links_for(request: Request, role: Role) -> Sequence[Link]:
    """Those that this role may open."""
    return [link for link in all_links(request) if role in link.roles]


def home_of(request: Request, role: Role | None) -> str:
    """Where this role begins, else the first page that it may open; the front page when there is none."""
    may = [link for link in all_links(request) if role is None or role in link.roles]
    return next((link.path for link in may if role in link.home_of), may[0].path if may else "/")


def is_ours(request: Request, path: str) -> bool:
    """Whether a sign-in may go on to `path`: to a page that the services declare or what is below one, never elsewhere."""
    return (
        len(path) <= _LENGTH_MAX
        and _LOCAL.fullmatch(path) is not None
        and any(_below(path.partition("?")[0], link.path) for link in all_links(request))
    )


def onward(request: Request, wanted: str, role: Role) -> str:
    """Where a sign-in goes on to: the page that was asked for, if it is ours, else the first of this role.

    With a word by which the page notices when no cookie came along.
    """
    path = wanted if is_ours(request, wanted) else home_of(request, role)
    return f"{path}{'&' if '?' in path else '?'}from=sign-in"


def _below(path: str, page: str) -> bool:
    return path == page or path.startswith(page if page.endswith("/") else f"{page}/")
