"""What a step frees is there for the next one, without a new page from the system."""

import json
import subprocess
import sys

import pytest

STEPS = """
import json, resource
import numpy as np
from runner.engine.cpu.heap import keep_freed_memory

def step():
    arrays = [np.ones(1 << 20, np.float32) for _ in range(6)]

def new_pages_of_ten_steps():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = new_pages_of_ten_steps()
keep_freed_memory()
print(json.dumps([given_back, new_pages_of_ten_steps()]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
def test_the_arrays_of_a_step_take_the_memory_of_the_last_one():
    done = subprocess.run(
        [sys.executable, "-c", STEPS], capture_output=True, text=True, timeout=120, check=True
    )
    given_back, kept = json.loads(done.stdout)
    assert kept < 10 < given_back
