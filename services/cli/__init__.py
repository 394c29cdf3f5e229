"""`telecare …`: one command, a subcommand per thing a person does."""

import signal


def main() -> None:
    """Run it. Ctrl-C while it is still being imported, which takes a second, ends it without a traceback."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from services.cli.main import main as run

    signal.signal(signal.SIGINT, usual)
    run()
