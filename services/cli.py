"""`telecare …`: one command, a subcommand per thing a person does."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


def main() -> None:
    app()
