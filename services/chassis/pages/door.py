"""The sign-in of a process, for all its pages: in with a token or through an identity provider, and out again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.oidc.config import OidcConfig
from services.chassis.oidc.flow import Flow
from services.chassis.oidc.provider import Provider
from services.chassis.oidc.recheck import EVERY_S, Recheck
from services.chassis.oidc.routes import add_oidc
from services.chassis.oidc.store import PersonSessions
from services.chassis.pages.gate import same_origin
from services.chassis.pages.sessions import Sessions
from services.chassis.pages.sign_in import add_sign_in
from services.chassis.pages.site import COMMON, PageRoute
from services.chassis.pages.ways import is_ours
from services.chassis.postgres import open_pool
from services.chassis.secrets import Vault
from services.chassis.service import Entrance, Runtime, Service

_ROLE: Final = "telecare_registry"  # who gives access
_CONNECTIONS_MAX: Final = 4


async def build_door(runtime: Runtime, services: Sequence[Service]) -> Service | None:
    """The sign-in for the pages of `services`; None when they have none.

    Raises SettingsError when the identity provider is set in half, or no key can be had for what it gives us.
    """
    if not any(service.links for service in services):
        return None
    config = OidcConfig.from_settings(runtime.settings)
    closing = AsyncExitStack()
    pool = await open_pool(runtime.database_url, role=_ROLE, name="sign-in", size=_CONNECTIONS_MAX)
    closing.push_async_callback(pool.close)
    sessions = Sessions(pool, runtime.clock, Access(pool, runtime.settings, runtime.clock))
    door = Door(tuple(entrance for service in services for entrance in service.entrances))
    router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(same_origin)])
    loops: list[Loop] = []
    own: tuple[Entrance, ...] = ()
    if config is not None:
        own = (Entrance(f"Sign in with {config.name}", "/sign-in/oidc", posts=False),)
        door = Door((*own, *door.entrances))
        provider = Provider(config.issuer, config.client, runtime.clock)
        closing.push_async_callback(provider.close)
        people = PersonSessions(pool, Vault.from_settings(runtime.settings), config.issuer)
        add_oidc(router, Flow(provider, people, config, runtime.clock), sessions, door.tell)
        recheck = Recheck(provider, people, config, runtime.clock)
        loops.append(Loop("session-recheck", recheck.run_once, every_s=EVERY_S))
    add_sign_in(router, sessions, door)
    routers = (COMMON.static_router(), router)
    return Service(name="sign-in", routers=routers, loops=loops, entrances=own, close=closing.aclose)


@dataclass(frozen=True, slots=True)
class Door:
    """The sign-in page."""

    entrances: tuple[Entrance, ...]

    def tell(self, request: Request, trouble: str, status: HTTPStatus) -> Response:
        """It, with what went wrong."""
        return self.show(request, trouble, status)

    def show(
        self,
        request: Request,
        trouble: str | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        form: dict[str, str] | None = None,
    ) -> Response:
        """It, with what was written on it, but for the token."""
        given = form or {}
        wanted = given.get("next") or request.query_params.get("next", "")
        return COMMON.page(
            request,
            "sign_in.html",
            status,
            trouble=trouble,
            operator=given.get("operator", ""),
            next=wanted if is_ours(request, wanted) else "",
            entrances=self.entrances,
        )
