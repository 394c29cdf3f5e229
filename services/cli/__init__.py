"""`telecare …`: one command, a subcommand per thing a person does."""

from services.cli.main import main

__all__ = ["main"]
