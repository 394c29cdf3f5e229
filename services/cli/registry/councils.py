"""`telecare council …`: who takes a council's alarms, and by which policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.chassis.settings import SettingsError
from services.cli.terminal import ask, say, say_lines, segment, show_table

council_app = typer.Typer(no_args_is_help=True, help="Councils, which hubs take their alarms, and by which policy.")
policy_app = typer.Typer(
    no_args_is_help=True, help="Escalation policies: who is told when, until a person has the alarm."
)
council_app.add_typer(policy_app, name="policy")

_POLICY_BYTES_MAX = 1024 * 1024


@council_app.command("list")
def list_councils() -> None:
    """The 32 councils and who takes their alarms."""
    councils = ask(lambda api: api.every("/api/v1/councils"))
    show_table(
        ["council", "name", "hubs"], [[each["council_id"], each["name"], " → ".join(each["hubs"])] for each in councils]
    )


@council_app.command("route")
def route_council(
    council_id: str,
    hubs: Annotated[list[str], typer.Argument(help="In the order in which they are told.")],
    *,
    technical: Annotated[
        str | None, typer.Option(help="The hub of degraded alarms (priority 4); `-` for none.")
    ] = None,
) -> None:
    """Send a council's alarms to these hubs."""
    body: dict[str, Any] = {"hubs": hubs}
    if technical is not None:
        body["technical_hub"] = None if technical == "-" else technical
    routing = ask(lambda api: api.call("PUT", _routing(council_id), body))
    technical_hub = routing["technical_hub"]
    say(f"{council_id} → {' → '.join(hubs)}{f', degraded alarms to {technical_hub}' if technical_hub else ''}")


@council_app.command("target")
def aim_of_council(
    council_id: str,
    target: Annotated[str, typer.Argument(help="Live devices; `-` for no target any more.")],
    *,
    by: Annotated[str | None, typer.Option(metavar="2026-12-31", help="The day; without it, none.")] = None,
    source: Annotated[str | None, typer.Option(help="Who says so, and where; without it, nobody is named.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="2026-11-01", help="The day on which it was said.")] = None,
) -> None:
    """What a council aims at in the rollout. Its other figures stay, and so do their sources."""
    live = None if target == "-" else _number(target)
    said = {name: value for name, value in (("source", source), ("as_of", as_of)) if value is not None}
    path = f"/api/v1/councils/{segment(council_id)}"

    async def work(api: Any) -> Any:
        council = await api.call("GET", path)
        sources = {name: each for name, each in council["sources"].items() if name != "target"}
        if said:
            sources["target"] = said
        return await api.call("PUT", path, council | {"target": live, "target_date": by, "sources": sources})

    council = ask(work)
    day = f" by {council['target_date']}" if council["target_date"] else ""
    say(
        f"{council_id} aims at {council['target']:,} live devices{day}"
        if live is not None
        else f"{council_id} has no target"
    )


def _number(text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError:
        raise SettingsError(f"{text!r} is no number of devices: write it like 120, or `-` for no target") from None


@policy_app.command("show")
def show_policy(
    council_id: str, *, history: Annotated[bool, typer.Option(help="Which versions there were, instead.")] = False
) -> None:
    """The policy in force, as JSON that `set` takes; which version it is goes to standard error."""
    if history:
        versions = ask(lambda api: api.every(f"/api/v1/councils/{segment(council_id)}/policies"))
        names = ["version", "created_at", "created_by"]
        show_table([name.replace("_", " ") for name in names], [[each[name] for name in names] for each in versions])
        return
    routing = ask(lambda api: api.call("GET", _routing(council_id)))
    say_lines(json.dumps(routing["policy"], indent=2))
    say(_which(council_id, routing["policy_version"]), err=True)


@policy_app.command("set")
def set_policy(
    council_id: str,
    file: Annotated[
        Path | None, typer.Argument(help="JSON as `show` prints it; `-` is standard input.", allow_dash=True)
    ] = None,
    *,
    default: Annotated[bool, typer.Option("--default", help="The default's ladders again.")] = False,
) -> None:
    """Lay down a council's policy, as a new version. Alarms that are open already keep theirs."""
    if default == (file is not None):
        raise SettingsError("give a file with the policy (`telecare council policy show` prints one), or --default")
    policy = None if file is None else _read(file)
    routing = ask(lambda api: api.call("PUT", _routing(council_id), {"policy": policy}))
    say(_which(council_id, routing["policy_version"]))


def _routing(council_id: str) -> str:
    return f"/api/v1/councils/{segment(council_id)}/routing"


def _which(council_id: str, version: dict[str, Any]) -> str:
    if version["default"]:
        return f"{council_id} has the default policy"
    return f"{council_id} has its own policy: version {version['version']}, by {version['created_by']}"


def _read(file: Path) -> Any:
    try:
        text = sys.stdin.read(_POLICY_BYTES_MAX) if str(file) == "-" else file.read_text(encoding="utf-8")
        policy = json.loads(text)
    except OSError as error:
        raise SettingsError(f"{file} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{file} is no JSON: {error}") from None
    if not isinstance(policy, dict):
        raise SettingsError(f"{file} is no policy: `telecare council policy show COUNCIL` prints one")
    return policy
