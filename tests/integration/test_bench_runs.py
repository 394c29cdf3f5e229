"""The benchmark itself: it runs to its end, and loses nothing. What it measures is for `make bench` to tell."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.real_stack
def test_the_benchmark_runs_to_its_end_and_loses_nothing() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", "paced"]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3,000 of 3,000" in ran.stdout


def test_the_month_is_judged_and_no_silence_is_missed() -> None:
    command = [sys.executable, "-m", "tests.bench.liveness", "--devices", "200"]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "false: it could have called" in ran.stdout
