"""`telecare responder …`: people who are called when hubs are not enough."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_args

import typer

from contracts.rota import Weekday
from services.chassis.settings import SettingsError
from services.cli.registry.verifying import Code, verify
from services.cli.terminal import ask, read, say, segment, show_table

responder_app = typer.Typer(
    no_args_is_help=True, help="Responders: who is called when a council's hubs are not enough."
)

_DAYS: tuple[str, ...] = get_args(Weekday)

Hours: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar='"mon-fri 09:00-17:00"', help="When on duty; repeatable. Without: always.")
]
Position: TypeAlias = Annotated[int | None, typer.Option(min=0, help="In the order, from 0; without it, at the end.")]


@responder_app.command("add")
def add_responder(
    council_id: str,
    *,
    email: Annotated[bool, typer.Option("--email", help="Call by e-mail.")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="Call by text.")] = False,
    hours: Hours = None,
    position: Position = None,
    verified: Annotated[bool, typer.Option(help="You have made sure that the address reaches them.")] = False,
) -> None:
    """Add a responder. Name and address are asked for, or read from two lines of standard input."""
    if email == sms:
        raise SettingsError("give --email or --sms: how the responder is called")
    body: dict[str, Any] = {
        "kind": "email" if email else "sms",
        "name": read("name"),
        "address": read("e-mail address" if email else "number of the mobile"),
        "rota": [_hours(each) for each in hours or []],
    }
    body |= {} if position is None else {"position": position}
    body |= {"verified": True} if verified else {}
    added = ask(lambda api: api.call("POST", _path(council_id), body))
    say(f"{added['responder_id']} is called at position {added['position']} by {added['kind']}")
    if not added["verified"]:
        say(f"it counts once verified: telecare responder verify {council_id} {added['responder_id']}")


@responder_app.command("change")
def change_responder(
    council_id: str,
    responder_id: str,
    *,
    address: Annotated[bool, typer.Option("--address", help="Another address; it is asked for, or read.")] = False,
    hours: Hours = None,
    always: Annotated[bool, typer.Option("--always", help="On duty always.")] = False,
    position: Position = None,
) -> None:
    """Change when, where or in which order a responder is called; what is not named stays. A new address is to be verified."""
    if hours and always:
        raise SettingsError("give --hours or --always")
    body: dict[str, Any] = {"rota": [_hours(each) for each in hours or []]} if hours or always else {}
    body |= {} if position is None else {"position": position}
    body |= {"address": read("new address")} if address else {}
    if not body:
        raise SettingsError("nothing to change: give --address, --hours, --always or --position")
    changed = ask(lambda api: api.call("PUT", f"{_path(council_id)}/{segment(responder_id)}", body))
    state = "verified" if changed["verified"] else "not verified"
    say(f"{responder_id} is called at position {changed['position']}, at {changed['address']} ({state})")


@responder_app.command("list")
def list_responders(council_id: str) -> None:
    """A council's responders, in the order in which they are called."""
    responders = ask(lambda api: api.every(_path(council_id)))
    rows = [
        [
            each["position"],
            each["responder_id"],
            each["name"],
            each["kind"],
            each["address"],
            "; ".join(_spoken(hours) for hours in each["rota"]) or "always",
            "yes" if each["verified"] else "no",
        ]
        for each in responders
    ]
    show_table(["position", "responder", "name", "kind", "address", "on duty", "verified"], rows)


@responder_app.command("remove")
def remove_responder(council_id: str, responder_id: str) -> None:
    """Call a responder no more; name and address are forgotten."""
    ask(lambda api: api.call("DELETE", f"{_path(council_id)}/{segment(responder_id)}"))
    say(f"{responder_id} is removed")


@responder_app.command("verify")
def verify_responder(council_id: str, responder_id: str, *, code: Code = None) -> None:
    """Send a code to a responder and, once it is entered, let the responder count."""
    command = f"telecare responder verify {council_id} {responder_id}"
    verify(f"{_path(council_id)}/{segment(responder_id)}", f"responder {responder_id}", command, code)


def _path(council_id: str) -> str:
    return f"/api/v1/councils/{segment(council_id)}/responders"


def _hours(text: str) -> dict[str, Any]:
    """`mon-fri 09:00-17:00`, `sat,sun 22:00-06:00`. What the times are is judged by the registry."""
    days, _, span = text.strip().lower().partition(" ")
    begins, dash, ends = span.strip().partition("-")
    named = [day for part in days.split(",") for day in _range(part)]
    if not dash or not named or not all(day in _DAYS for day in named):
        raise SettingsError(f'--hours "{text}": write them like "mon-fri 09:00-17:00" or "sat,sun 22:00-06:00"')
    return {"days": named, "from": begins.strip(), "until": ends.strip()}


def _range(part: str) -> list[str]:
    """The days of `mon`, or of `fri-mon`, over the end of the week."""
    first, dash, last = part.partition("-")
    if not dash or first not in _DAYS or last not in _DAYS:
        return [part]
    week = _DAYS * 2
    start = _DAYS.index(first)
    return list(week[start : week.index(last, start) + 1])


def _spoken(hours: dict[str, Any]) -> str:
    return f"{','.join(hours['days'])} {hours['from']}-{hours['until']}"
