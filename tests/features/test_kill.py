"""A build that is killed at once, in a process of its own, loses only the shard it was working on."""

import os
import signal
import subprocess
import sys
import time

from gearscope.features.plan import PARTS
from tests.features.planted import build, subject
from tests.features.test_build import stored

SLOWLY = """
import sys, time
from pathlib import Path
from gearscope.features.plan import WorkConfig
from tests.features.planted import build, subject

def run(shards, work):
    for shard in shards:
        work(shard)
        time.sleep(0.2)

build(Path(sys.argv[1]), subject(), work=WorkConfig(shards=20), run=run)
"""


def test_a_killed_build_goes_on(tmp_path):
    out, parts = tmp_path / "lib", tmp_path / "lib.run" / PARTS
    building = subprocess.Popen([sys.executable, "-c", SLOWLY, str(out)])
    try:
        while len(list(parts.glob("[0-9]*"))) < 3:
            assert building.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(building.pid, signal.SIGKILL)
        building.wait()
    assert not out.exists()
    kept = sorted(path.name for path in parts.glob("[0-9]*"))
    worked = []

    def run(shards, work):
        worked.extend(shards)
        for shard in shards:
            work(shard)

    made = subject()
    build(out, made, run=run, resume=True).close()
    assert 3 <= len(kept) < 20
    assert sorted([*map(int, kept), *worked]) == list(range(20))
    build(tmp_path / "whole", made).close()
    assert stored(out) == stored(tmp_path / "whole")
