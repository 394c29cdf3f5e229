"""The soak in two minutes: every fault once, in its order, and nothing lost. What it measures is for `make soak` to tell."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIVEN_UP_AFTER_S = 480  # of a machine that does nothing else it needs two minutes


@pytest.mark.real_stack
@pytest.mark.alone
@pytest.mark.timeout(GIVEN_UP_AFTER_S + 30)
def test_nothing_is_lost_and_nothing_is_made_twice_whatever_fails_for_a_while(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.soak", "--quick", "--logs", str(tmp_path)]
    soaking = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        told, _ = soaking.communicate(timeout=GIVEN_UP_AFTER_S)
    finally:
        soaking.terminate()  # it ends what it has started
    assert soaking.returncode == 0, told
    assert "18 faults" in told
    assert "0 duplicated · 0 lost" in told
    assert "PASSED" in told, told  # an incomplete run is none
