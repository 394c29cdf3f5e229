"""`make audit` says that nothing is known to be wrong only if it has looked, and whoever was asked knows of advisories."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
KNOWN = "echo 'Name Version ID'; echo 'jinja2 2.10 CVE-2019-10906'; exit 1"
NONE = "echo 'No known vulnerabilities found' >&2; exit 0"
AWAY = "echo 'ERROR:pip_audit._cli:could not be reached' >&2; exit 1"
SKIPPED = (
    "echo 'Name Skip Reason'; echo 'jinja2 Dependency not found'; echo 'No known vulnerabilities found' >&2; exit 0"
)
FOUND = "echo 'Name Version ID'; echo 'aiohttp 1.0 CVE-2099-1'; exit 1"


def audited(tmp_path: Path, *, of_the_known: str, of_ours: str) -> subprocess.CompletedProcess[str]:
    """With an auditor that answers so: what it is asked of is the last of its options."""
    auditor = tmp_path / "pip-audit"
    auditor.write_text(f'#!/bin/sh\ncase "$*" in\n  */known) {of_the_known} ;;\n  *) {of_ours} ;;\nesac\n')
    auditor.chmod(0o755)
    asked = [str(TREE / "deploy" / "audit"), str(auditor), str(TREE / "requirements.lock"), "--"]
    return subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("of_the_known", "of_ours"),
    [(NONE, NONE), (AWAY, AWAY), (AWAY, NONE), (KNOWN, AWAY), (SKIPPED, SKIPPED), (KNOWN, SKIPPED)],
    ids=[
        "an index without advisories",
        "no network",
        "half a network",
        "the network goes meanwhile",
        "an index that has none of them",
        "an index that lacks some",
    ],
)
def test_it_fails_loudly_when_it_could_not_look(tmp_path: Path, of_the_known: str, of_ours: str) -> None:
    said = audited(tmp_path, of_the_known=of_the_known, of_ours=of_ours)
    assert said.returncode == 2
    assert "COULD NOT LOOK" in said.stderr
    assert "No known" not in said.stdout + said.stderr.partition("COULD NOT LOOK")[2]


def test_what_is_known_of_ours_is_shown_and_none_is_said_when_there_is_none(tmp_path: Path) -> None:
    found = audited(tmp_path, of_the_known=KNOWN, of_ours=FOUND)
    assert (found.returncode, "aiohttp 1.0 CVE-2099-1" in found.stdout) == (1, True)
    none = audited(tmp_path, of_the_known=KNOWN, of_ours=NONE)
    assert (none.returncode, "No known vulnerabilities found" in none.stderr) == (0, True)
