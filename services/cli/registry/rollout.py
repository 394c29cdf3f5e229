"""`telecare rollout …`: how far it is, what it aims at, and its weeks counted again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.registry.in_database import in_database
from services.cli.terminal import ask, say

rollout_app = typer.Typer(no_args_is_help=True, help="The rollout: how far it is, and what it aims at.")


@rollout_app.command("show")
def show_rollout() -> None:
    """Live devices of the programme's target, and what is not counted yet."""
    found = ask(lambda api: api.call("GET", "/api/v1/rollout"))
    say(f"{found['live']:,} live of {found['target']:,}{_by(found['target_date'])}")
    if found["not_counted_yet"]:
        say(f"{found['not_counted_yet']:,} lines of history are not counted yet: the weeks are too low until then")


@rollout_app.command("target")
def aim(
    target: Annotated[int, typer.Argument(min=1, help="Live devices in all councils.")],
    *,
    by: Annotated[str | None, typer.Option(metavar="2027-01-31", help="The day; without it, none.")] = None,
    source: Annotated[str | None, typer.Option(help="Who says so, and where.")] = None,
) -> None:
    """Aim at this from now on; what was aimed at before stays on record."""
    body = {"target": target, "target_date": by, "source": source}
    aimed = ask(lambda api: api.call("PUT", "/api/v1/rollout/target", body))
    say(f"the programme aims at {aimed['target']:,} live devices{_by(aimed['target_date'])}")


@rollout_app.command("recount")
def recount() -> None:
    """Forget the weeks' counts, and have them made again from the whole history. Straight in the database.

    For when `telecare_rollout_unexplained` is not nought. A running registry counts; until it has, the weeks are too low.
    """
    from services.registry.rollout.counting import begin_again

    async def work(connection: Any) -> None:
        await begin_again(connection)

    in_database(work)
    say("forgotten: a running registry counts the weeks again, and `telecare rollout show` tells how much is left")


def _by(day: str | None) -> str:
    return f" by {day}" if day else ""
