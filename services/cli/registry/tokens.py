"""`telecare token …`: straight in the database, for the first one is made where there is none yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast, get_args

import typer

from contracts.access import Role
from services.chassis.settings import SettingsError
from services.cli.registry.in_database import in_database
from services.cli.terminal import say, show_table, whoever_is_here

token_app = typer.Typer(no_args_is_help=True, help="Access tokens: made, listed, revoked. Straight in the database.")


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Whose it is: the actor in every history.")],
    *,
    role: Annotated[str, typer.Option(help=" | ".join(get_args(Role)))],
    hub: Annotated[str | None, typer.Option(help="The hub of a hub's token.")] = None,
    council: Annotated[list[str] | None, typer.Option(help="Limit an engineer to this council; repeatable.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid for so many days.")] = None,
) -> None:
    """Make a token. It is printed once and stored hashed."""
    from services.registry.tokens import create_token as create

    if role not in get_args(Role):
        raise SettingsError(f"--role {role}: give one of {', '.join(get_args(Role))}")
    now = datetime.now(UTC)

    async def work(connection: Any) -> str:
        return await create(
            connection,
            name=name,
            role=cast(Role, role),
            hub_id=hub,
            councils=council or None,
            now=now,
            expires_at=now + timedelta(days=days) if days else None,
            by=whoever_is_here(),
        )

    say(_in_database(work))


@token_app.command("list")
def list_tokens() -> None:
    """All tokens ever made; never the tokens themselves."""
    from services.registry.tokens import list_tokens as every

    rows = _in_database(every)
    show_table(
        ["name", "role", "hub", "councils", "created", "expires", "revoked"],
        [
            [
                each.name,
                each.role,
                each.hub_id,
                ",".join(each.councils or []),
                each.created_at,
                each.expires_at,
                each.revoked_at,
            ]
            for each in rows
        ],
    )


@token_app.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(help="Its name or its id.")]) -> None:
    """Revoke a token: refused everywhere within seconds."""
    from services.registry.tokens import revoke_token as revoke

    count = _in_database(lambda connection: revoke(connection, token, now=datetime.now(UTC), by=whoever_is_here()))
    if not count:
        raise SettingsError(f"there is no valid token {token!r}: `telecare token list` shows all")
    say(f"revoked {count}")


def _in_database(work: Callable[[Any], Awaitable[Any]]) -> Any:
    from services.registry.tokens import TokenError

    try:
        return in_database(work)
    except TokenError as error:
        say(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None
