"""`telecare token|hub|council|responder|model|device|rollout …`: the registry from a terminal. A file per noun."""

from services.cli.registry.broker import broker_app
from services.cli.registry.bulk import export_devices, import_devices
from services.cli.registry.councils import council_app
from services.cli.registry.devices import device_app
from services.cli.registry.erasing import erase_device, list_erasures
from services.cli.registry.grafana import grafana_app
from services.cli.registry.hubs import hub_app
from services.cli.registry.models import model_app
from services.cli.registry.responders import responder_app
from services.cli.registry.rollout import rollout_app
from services.cli.registry.tokens import token_app

device_app.command("import")(import_devices)
device_app.command("export")(export_devices)
device_app.command("erase")(erase_device)
device_app.command("erasures")(list_erasures)

__all__ = [
    "broker_app",
    "council_app",
    "device_app",
    "grafana_app",
    "hub_app",
    "model_app",
    "responder_app",
    "rollout_app",
    "token_app",
]
