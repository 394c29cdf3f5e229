"""A code is sent, and entered: the same dialogue for hubs' channels and for responders."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer

from services.cli.terminal import ask, read, say

Code: TypeAlias = Annotated[str | None, typer.Option(help="The code that came. Without it, one is sent and asked for.")]


def verify(path: str, subject: str, command: str, code: str | None) -> None:
    """Send a code to what is at `path` and ask for it; of a script, to be given to `command` later."""
    if code is None:
        ask(lambda api: api.call("POST", f"{path}/verification"))
        say(f"a code is on its way over {subject}; it holds for 15 minutes")
        if not sys.stdin.isatty():
            say(f"then: {command} --code CODE")
            return
        code = read("code")
    ask(lambda api: api.call("POST", f"{path}/verify", {"code": code}))
    say(f"{subject} is verified, and counts from now on")
