"""Hubs and channels as they are told of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.registry.domain.channels import ChannelKind


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a hub. It counts once verified. Its secret is never shown, its e-mail address or number only masked."""

    channel_id: UUID
    kind: ChannelKind
    url: str | None
    address: str | None
    has_secret: bool
    previous_secret_until: datetime | None
    """Until then the secret that was replaced signs beside the new one."""
    verified: bool


@dataclass(frozen=True, slots=True)
class Hub:
    """An alarm receiving centre, its channels in the order given."""

    hub_id: str
    name: str
    created_at: datetime
    record_url_template: str | None
    channels: list[Channel]


@dataclass(frozen=True, slots=True)
class Put:
    """The hub as it is now, and whether it is new."""

    hub: Hub
    created: bool
