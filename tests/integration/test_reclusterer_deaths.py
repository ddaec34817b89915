"""The job is killed after each of its writes; the next start ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_killed_after_any_write_the_next_start_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.reclusterer_deaths", str(tmp_path)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=one_thread,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    undisturbed, *disturbed = map(json.loads, done.stdout.splitlines())
    assert undisturbed["downstream agrees"]
    assert len(undisturbed["people"]) == 3
    assert len(disturbed) > 15
    for death in disturbed:
        assert death == {"died": True, **undisturbed}
