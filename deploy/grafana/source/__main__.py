"""`python -m deploy.grafana.source [--check]`: writes the dashboards; with `--check`, exit code 1 and the names of stale ones."""

import argparse
import sys
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.source.alarms import alarms
from deploy.grafana.source.fleet import fleet
from deploy.grafana.source.rollout import rollout
from deploy.grafana.source.service import service

FOLDER: Final = Path(__file__).parents[1] / "dashboards"


def documents() -> dict[Path, str]:
    """Every dashboard and what it says; the same each time."""
    encoder = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False)
    made = [each().build() for each in (alarms, fleet, rollout, service)]
    return {FOLDER / f"{each.uid}.json": encoder.encode(each) + "\n" for each in made}


def stale() -> list[Path]:
    """Files that are missing, differ from what the code says, or are left over."""
    wanted = documents()
    differing = {path for path, text in wanted.items() if not path.is_file() or path.read_text() != text}
    return sorted(differing | (set(FOLDER.glob("*.json")) - wanted.keys()))


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.source", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 naming stale files")
    check = parser.parse_args().check
    wanted, found = documents(), stale()
    for path in found:
        if check:
            sys.stderr.write(f"deploy/grafana/dashboards/{path.name} is stale: run `make dashboards`\n")
        elif path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
