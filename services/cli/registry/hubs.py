"""`telecare hub …`: hubs, their channels, and the codes that verify these."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.chassis.settings import SettingsError
from services.cli.registry.verifying import Code, verify
from services.cli.terminal import ask, read, say, segment, show_table

hub_app = typer.Typer(no_args_is_help=True, help="Telecare hubs and their channels.")


@hub_app.command("list")
def list_hubs() -> None:
    """Hubs, newest first."""
    hubs = ask(lambda api: api.every("/api/v1/hubs"))
    show_table(
        ["hub", "name", "channels"],
        [[hub["hub_id"], hub["name"], ", ".join(_channel(each) for each in hub["channels"])] for hub in hubs],
    )


@hub_app.command("show")
def show_hub(hub_id: str) -> None:
    """A hub's channels, with the ids by which they are verified."""
    hub = ask(lambda api: api.call("GET", f"/api/v1/hubs/{segment(hub_id)}"))
    rows = [
        [
            each["channel_id"],
            each["kind"],
            each["url"] or each["address"],
            "yes" if each["verified"] else "no",
            each["previous_secret_until"],
        ]
        for each in hub["channels"]
    ]
    show_table(["channel", "kind", "leads to", "verified", "former secret until"], rows)


@hub_app.command("put")
def put_hub(
    hub_id: str,
    *,
    name: Annotated[str, typer.Option()],
    webhook: Annotated[str | None, typer.Option(help="Its URL; the whsec_ secret is read from standard input.")] = None,
    mqtt: Annotated[bool, typer.Option(help="Tell it by MQTT.")] = False,
    email: Annotated[list[str] | None, typer.Option(help="Tell it at this address; repeatable.")] = None,
    sms: Annotated[list[str] | None, typer.Option(help="Tell it by text to this mobile; repeatable.")] = None,
    record_url: Annotated[
        str | None, typer.Option(help="Its own record of a home: https://…/{installation_ref}")
    ] = None,
    verified: Annotated[bool, typer.Option(help="You have made sure that its channels reach it.")] = False,
) -> None:
    """Make a hub, or make it as told: channels that are not named are removed."""
    channels: list[dict[str, Any]] = []
    if webhook:
        secret = read("secret (whsec_…)", hidden=True)
        channels.append({"kind": "webhook", "url": webhook} | ({"secret": secret} if secret else {}))
    if mqtt:
        channels.append({"kind": "mqtt"})
    channels += [{"kind": "email", "address": address} for address in email or []]
    channels += [{"kind": "sms", "address": number} for number in sms or []]
    if verified:
        channels = [{**each, "verified": True} for each in channels]
    body = {"name": name, "channels": channels, "record_url_template": record_url}
    hub = ask(lambda api: api.call("PUT", f"/api/v1/hubs/{segment(hub_id)}", body))
    waiting = sum(not each["verified"] for each in hub["channels"])
    advice = f"; {waiting} will count once verified: telecare hub verify {hub_id}" if waiting else ""
    say(f"{hub_id} has {len(channels)} channel(s){advice}")


@hub_app.command("secret")
def replace_secret(
    hub_id: str,
    channel: Annotated[str | None, typer.Argument(help="Its id, where the hub has several webhooks.")] = None,
) -> None:
    """Replace a webhook's secret, read from standard input. The one before signs beside it for 24 hours."""
    path = f"/api/v1/hubs/{segment(hub_id)}"
    hub = ask(lambda api: api.call("GET", path))
    chosen = _choose(hub, channel or "webhook")
    secret = read("new secret (whsec_…)", hidden=True)
    channels = [each | {"secret": secret} if each is chosen else each for each in hub["channels"]]
    changed = ask(lambda api: api.call("PUT", path, hub | {"channels": channels}))
    (after,) = (each for each in changed["channels"] if each["channel_id"] == chosen["channel_id"])
    until = after["previous_secret_until"]
    say(f"the new secret signs from now on{f', and the one before until {until}' if until else ''}")


@hub_app.command("verify")
def verify_hub(
    hub_id: str,
    channel: Annotated[
        str | None, typer.Argument(help="Its id, or its kind where the hub has one such; else the one not verified.")
    ] = None,
    *,
    code: Code = None,
) -> None:
    """Send a code over a channel and, once it is entered, let the channel count."""
    hub = ask(lambda api: api.call("GET", f"/api/v1/hubs/{segment(hub_id)}"))
    chosen = _choose(hub, channel)
    path = f"/api/v1/hubs/{segment(hub_id)}/channels/{chosen['channel_id']}"
    verify(path, f"{hub_id}'s {chosen['kind']} channel", f"telecare hub verify {hub_id} {chosen['channel_id']}", code)


def _choose(hub: dict[str, Any], channel: str | None) -> dict[str, Any]:
    channels: list[dict[str, Any]] = hub["channels"]
    if channel is None:
        found = [each for each in channels if not each["verified"]]
        sought = "channel that is not verified"
    else:
        found = [each for each in channels if channel in {each["channel_id"], each["kind"]}]
        sought = f"channel {channel}"
    if len(found) != 1:
        known = ", ".join(f"{each['channel_id']} ({_channel(each)})" for each in channels) or "none"
        raise SettingsError(f"{hub['hub_id']} has {len(found) or 'no'} {sought}; give one by its id. It has: {known}")
    return found[0]


def _channel(channel: dict[str, Any]) -> str:
    return f"{channel['kind']}{'' if channel['verified'] else ' (not verified)'}"
