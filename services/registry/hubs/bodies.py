"""What the routes of hubs take. An unknown field is refused; an answer may be sent back changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from contracts.fields import STORABLE_PATTERN
from services.chassis.http import Body
from services.registry.domain.address import MASK, normal
from services.registry.domain.channels import MEDIA, ChannelKind, Wanted
from services.registry.domain.record_url import template_fault
from services.registry.domain.webhook import Network, secret_fault, url_fault

_HAS_NONE = {
    "webhook": {"address": "a webhook has none: it has a url"},
    "mqtt": dict.fromkeys(("url", "secret", "address"), "an mqtt channel has none: its topic follows from the hub"),
    "email": dict.fromkeys(("url", "secret"), "an e-mail channel has none: it has an address"),
    "sms": dict.fromkeys(("url", "secret"), "a text channel has none: it has an address, which is a number"),
}


class ChannelBody(Body):
    """A way to the hub."""

    only_told = frozenset({"has_secret", "previous_secret_until"})

    channel_id: Annotated[
        UUID | None,
        Field(
            description="Of a channel that is to be changed. Left out: the one of this kind and target, or a new one."
        ),
    ] = None
    kind: ChannelKind
    url: Annotated[str | None, Field(pattern=STORABLE_PATTERN, description="Of a webhook: https://…")] = None
    address: Annotated[
        SecretStr | None,
        Field(
            description="Of an e-mail channel its address, of a text channel its number. Encrypted, and shown masked."
        ),
    ] = None
    secret: Annotated[
        SecretStr | None,
        Field(
            description="Of a webhook: whsec_… (Standard Webhooks). Left out, it stays. A new one signs at once, and the one "
            "before beside it for 24 hours; to void that at once, remove the channel and add it again."
        ),
    ] = None
    verified: Annotated[
        bool | None,
        Field(
            description="A channel counts once verified: by a code that is sent and entered, or because an ops token says "
            "so here. Left out, it stays as it is; a new channel, and one that leads elsewhere now, is not."
        ),
    ] = None

    def wanted(self) -> Wanted:
        """Of a body without faults."""
        address = _plain(self.address)
        if address is not None and self.kind in MEDIA and MASK not in address:
            address = normal(MEDIA[self.kind], address)
        return Wanted(self.kind, self.channel_id, self.url, address, _plain(self.secret), self.verified)

    def faults(self, networks: Sequence[Network]) -> Iterator[tuple[str, str]]:
        """What is wrong with it by itself: field and message."""
        for name, message in _HAS_NONE[self.kind].items():
            if getattr(self, name) is not None:
                yield name, message
        if self.kind == "webhook":
            yield from self._webhook_faults(networks)
        address = _plain(self.address)
        if self.kind in MEDIA and address is not None and MASK not in address:
            try:
                normal(MEDIA[self.kind], address)
            except ValueError as fault:
                yield "address", str(fault)

    def _webhook_faults(self, networks: Sequence[Network]) -> Iterator[tuple[str, str]]:
        if self.url is not None and (fault := url_fault(self.url, networks)):
            yield "url", fault
        secret = _plain(self.secret)
        if secret is not None and (fault := secret_fault(secret)):
            yield "secret", fault


class HubBody(Body):
    """A hub, with all its channels."""

    only_told = frozenset({"hub_id", "created_at"})

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=STORABLE_PATTERN)]
    record_url_template: Annotated[
        str | None,
        Field(description="The hub's own record of a home, which its operators open: https://…/{installation_ref}"),
    ] = None
    channels: Annotated[list[ChannelBody], Field(max_length=20)] = Field(default_factory=list)

    def faults(self, networks: Sequence[Network]) -> list[tuple[str, str]]:
        """All that is wrong with it: field and message."""
        faults = [
            (f"channels.{at}.{name}", message)
            for at, channel in enumerate(self.channels)
            for name, message in channel.faults(networks)
        ]
        if self.record_url_template is not None and (fault := template_fault(self.record_url_template)):
            faults.append(("record_url_template", fault))
        return faults


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
