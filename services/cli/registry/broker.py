"""`telecare broker …`: the broker's register of users, from the database; what it knows; hubs' users and councils' enrolment."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.chassis.settings import Settings, SettingsError, load_settings
from services.cli.registry.in_database import in_database
from services.cli.terminal import ask, say, segment, show_table

broker_app = typer.Typer(
    no_args_is_help=True, help="Who may come to the broker: its first register, all of it, its state."
)

To = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Made anew, readable by nobody else. Default: printed.")
]


@broker_app.command("init")
def init(to: To = None) -> None:
    """Mosquitto's first dynamic-security.json: the keeper and our services, as TELECARE_MQTT_ADMIN_URL and _URL name them."""
    from services.chassis.exposure import protected
    from services.registry.broker.document import NoUser, first_document

    admin, service = _urls(protected(load_settings()))
    try:
        _write(first_document(admin, service), to)
    except NoUser as error:
        raise SettingsError(str(error)) from None


@broker_app.command("export")
def export(to: To = None) -> None:
    """The whole register from the database, everybody with the password that they have. For a broker that lost its file."""
    from services.chassis.exposure import protected
    from services.chassis.secrets import Vault
    from services.registry.broker.document import NoUser, whole_document
    from services.registry.broker.room import PURPOSE

    settings = protected(load_settings())
    admin, service = _urls(settings)
    key = Vault.from_settings(settings).key(PURPOSE)
    now = datetime.now(UTC)
    try:
        text = in_database(lambda connection: whole_document(connection, admin, service, key, now))
    except NoUser as error:
        raise SettingsError(str(error)) from None
    _write(text, to)


@broker_app.command("show")
def show() -> None:
    """How many users the broker was told of, and which it lost or awaits; no password, not even hashed."""
    from services.registry.broker.store import QUERIES

    async def read(connection: Any) -> Any:
        return await connection.fetch(QUERIES["standings"]), await connection.fetch(QUERIES["not_in_order"])

    counts, troubled = in_database(read)
    show_table(["kind", "state", "count"], [[row["kind"], row["state"], row["count"]] for row in counts])
    if troubled:
        show_table(["user", "state", "since"], [[row["username"], row["state"], row["since"]] for row in troubled])


enrolment_app = typer.Typer(no_args_is_help=True, help="A council's credential for units that nobody registered yet.")
broker_app.add_typer(enrolment_app, name="enrolment")


@enrolment_app.command("create")
def create_enrolment(council: str) -> None:
    """Make it; it is printed once. One before it is void. Units come by it through the gate (TELECARE_GATE_LISTEN) only."""
    made = ask(lambda api: api.call("POST", f"/api/v1/councils/{segment(council)}/enrolment"))
    say(f"user {made['username']}, password {made['password']}")


@enrolment_app.command("revoke")
def revoke_enrolment(council: str) -> None:
    """Shut it out; whoever came by it is cut off."""
    ask(lambda api: api.call("DELETE", f"/api/v1/councils/{segment(council)}/enrolment"))
    say("revoked")


hub_user_app = typer.Typer(no_args_is_help=True, help="A hub's own user of the broker, for a hub that is told by MQTT.")
broker_app.add_typer(hub_user_app, name="hub")


@hub_user_app.command("create")
def create_hub_user(hub: str) -> None:
    """Make it; it is printed once. One before it is void, and its session ends."""
    made = ask(lambda api: api.call("POST", f"/api/v1/hubs/{segment(hub)}/broker-user"))
    say(f"user and client id {made['username']}, password {made['password']}")


@hub_user_app.command("revoke")
def revoke_hub_user(hub: str) -> None:
    """Shut it out; its session ends. The hub's channels stay as they are."""
    ask(lambda api: api.call("DELETE", f"/api/v1/hubs/{segment(hub)}/broker-user"))
    say("revoked")


def _urls(settings: Settings) -> tuple[Any, Any]:
    from services.chassis.mqtt import MqttUrl
    from services.registry.broker.room import admin_url

    admin = admin_url(settings.mqtt_admin_url)
    if admin is None:
        raise SettingsError("TELECARE_MQTT_ADMIN_URL is not set: give it like mqtt://keeper:password@127.0.0.1:1883")
    try:
        return admin, MqttUrl.parse(settings.mqtt_url.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"TELECARE_MQTT_URL is not usable: {error}") from None


def _write(text: str, to: Path | None) -> None:
    """Hashes, but hashes of passwords all the same."""
    if to is None:
        sys.stdout.write(text)
        return
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"--to {to}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    say(f"written to {to}: give it to the broker's user, in place of its own file, while the broker is stopped")
