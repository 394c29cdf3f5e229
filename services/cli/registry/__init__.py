"""`telecare token|hub|council|responder|device …`: the registry from a terminal. A file per noun."""

from services.cli.registry.broker import broker_app
from services.cli.registry.councils import council_app
from services.cli.registry.devices import device_app
from services.cli.registry.hubs import hub_app
from services.cli.registry.responders import responder_app
from services.cli.registry.tokens import token_app

__all__ = ["broker_app", "council_app", "device_app", "hub_app", "responder_app", "token_app"]
