"""`telecare model …`: what each model of device promises."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from services.cli.terminal import ask, say, say_lines, segment, show_table

model_app = typer.Typer(no_args_is_help=True, help="Models of devices: what each promises; `default` is every other.")


@model_app.command("list")
def list_models() -> None:
    """All models, and the default for every model that is not there."""
    models = ask(lambda api: api.every("/api/v1/models"))
    names = ["model", "heartbeat_interval_s", "late_after_missed", "silent_after_s", "battery_hours", "signal_dbm_min"]
    rows = [[*(each[name] for name in names), ", ".join(each["paths"])] for each in models]
    show_table([*(name.replace("_", " ") for name in names), "paths"], rows)


@model_app.command("show")
def show_model(model: str) -> None:
    """What a model promises, as JSON."""
    say_lines(json.dumps(ask(lambda api: api.call("GET", f"/api/v1/models/{segment(model)}")), indent=2))


@model_app.command("put")
def put_model(
    model: str,
    *,
    interval: Annotated[int, typer.Option(help="Seconds between heartbeats.")],
    late: Annotated[int, typer.Option(help="Late after so many are missed.")] = 3,
    silent: Annotated[int | None, typer.Option(help="Silent after so many seconds.")] = None,
    battery_hours: int | None = None,
    signal_min: Annotated[int | None, typer.Option(help="dBm; weaker is weak.")] = None,
    path: Annotated[list[str] | None, typer.Option(help="ethernet | wifi | mobile; each path it has.")] = None,
    trigger: Annotated[list[str] | None, typer.Option(help="kind or kind:peripheral; each that calls.")] = None,
) -> None:
    """Write down what a model promises, instead of what was there."""
    body: dict[str, Any] = {
        "heartbeat_interval_s": interval,
        "late_after_missed": late,
        "silent_after_s": silent,
        "battery_hours": battery_hours,
        "signal_dbm_min": signal_min,
        "paths": path or [],
        "triggers": [_trigger(each) for each in trigger or []],
    }
    answer = ask(lambda api: api.call("PUT", f"/api/v1/models/{segment(model)}", body))
    say(f"{answer['model']}: silent after {answer['silent_after_s']} s")


def _trigger(text: str) -> dict[str, str | None]:
    kind, _, peripheral = text.partition(":")
    return {"kind": kind, "peripheral_id": peripheral or None}
