"""What the command line waits for before it does anything."""

import subprocess
import sys

DEAR = {"aiohttp", "asyncpg", "cryptography", "fastapi", "paho", "structlog"}


def test_the_table_of_subcommands_imports_nothing_that_only_some_of_them_need() -> None:
    """Half of the processor time (0.7 s for 1.3), whenever somebody looks up a command in the middle of the night."""
    ask = [sys.executable, "-c", "import services.cli.main, sys; print(*sys.modules)"]
    loaded = subprocess.run(ask, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert "services.cli.main" in loaded
    assert DEAR.isdisjoint(loaded), sorted(DEAR.intersection(loaded))
