"""What a service is to the process that runs it, and what the process is to a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter
    from prometheus_client import CollectorRegistry

    from contracts.access import Role
    from services.chassis.audit import AuditLog
    from services.chassis.clock import Clock
    from services.chassis.loop import Loop
    from services.chassis.mqtt import MqttUrl, Publisher
    from services.chassis.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process offers all its services. Tests make their own, with a clock that they move."""

    settings: Settings
    clock: Clock
    metrics: CollectorRegistry
    mqtt_url: MqttUrl
    publisher: Publisher  # for everything that goes out by MQTT
    instance: str  # unique per process: who holds a lease
    audit: AuditLog | None = None  # some tests have none

    @property
    def database_url(self) -> str:
        return self.settings.database_url.get_secret_value()


@dataclass(frozen=True, slots=True)
class Link:
    """A page for people: on the front page with all its words, and by its name in the header of every page, for its `roles`.

    `path` as `/console/`: whoever signs in may come back to whatever is below it. `home_of`: roles that begin here, unless they
    asked for another page.
    """

    path: str
    name: str
    about: str
    roles: frozenset[Role]
    home_of: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Entrance:
    """Another way in, as a button on the sign-in page: to `path`, with the page to go on to as `next`; posted, or a link."""

    label: str
    path: str
    posts: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """Made by each service's `build(runtime)`; run by `services.chassis.run`."""

    name: str
    routers: Sequence[APIRouter] = ()
    loops: Sequence[Loop] = ()
    # Coroutines that run until cancelled and are no loops: an MQTT shard, a LISTEN connection.
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    # Each returns None, or in a sentence what keeps the service from being ready.
    checks: Sequence[Callable[[], Awaitable[str | None]]] = ()
    # Each returns None, or in a sentence what whoever looks after the installation should know: for the front page.
    notes: Sequence[Callable[[], str | None]] = ()
    # Paths whose bodies may be longer than others, and how long, in bytes.
    bodies: Mapping[str, int] = field(default_factory=dict)
    # Called for each NOTIFY on a channel.
    listens: dict[str, Callable[[str], None]] = field(default_factory=dict)
    # Pages for people; where there is one, the process has a sign-in.
    links: Sequence[Link] = ()
    entrances: Sequence[Entrance] = ()
    close: Callable[[], Awaitable[None]] | None = None
