"""What only a real process shows: exit codes, Ctrl-C while writing, closed pipes, silence on stderr."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gearscope.cli.main import main

RUN = "import sys; sys.argv[0] = 'gearscope'; from gearscope.cli.start import run; run()"
SLOW_LOAD = """
import sys, time
sys.argv[0] = "gearscope"
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "gearscope.graph.store":
            print("loading", flush=True)
            time.sleep(30)
sys.meta_path.insert(0, Slow())
from gearscope.cli.start import run
run()
"""
SLOW_RUN = """
import sys, time
import gearscope.models.load as load
def slow(*_, **__):
    print("working", flush=True)
    time.sleep(30)
load.open_model = slow
from gearscope.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
SLOW_WRITE = """
import sys, time
import gearscope.artifact as artifact
real = artifact.os.fsync
def slow(handle):
    print("writing", flush=True)
    time.sleep(30)
    real(handle)
artifact.os.fsync = slow
from gearscope.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def test_exit_codes_of_a_real_process(untrained: Path) -> None:
    good = start(RUN, "trace", "calc : 36 + 59 =", "--model", str(untrained))
    out, err = good.communicate(timeout=120)
    assert (good.returncode, err) == (0, "")
    assert "WHAT FEEDS" in out
    bad = start(RUN, "trace", "", "--model", str(untrained))
    assert bad.communicate(timeout=120)[1].startswith("gearscope: ")
    assert bad.returncode == 2


def test_interrupted_while_writing_leaves_the_old_file(untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    out.write_text("the old graph")
    process = start(SLOW_WRITE, "trace", "calc : 36 + 59 =", "--model", str(untrained), "--out", str(out))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "writing"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert out.read_text() == "the old graph"
    assert list(tmp_path.iterdir()) == [out]


def assert_interrupted(process: subprocess.Popen[str], while_it_says: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == while_it_says
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "gearscope: interrupted; nothing was left half-written\n"


def test_interrupted_while_it_loads() -> None:
    assert_interrupted(start(SLOW_LOAD, "show", "graph.json"), "loading")


@pytest.mark.parametrize(
    "command", [("group",), ("attention", "--head", "0.1", "--query", "-1", "--key", "2"), ("intervene", "--validate")]
)
def test_interrupted_while_it_works_on_a_graph(command: tuple[str, ...], untrained: Path, tmp_path: Path) -> None:
    graph, out = tmp_path / "graph.json", tmp_path / "out.json"
    assert main(["trace", "calc : 36 + 59 =", "--model", str(untrained), "--out", str(graph)]) == 0
    before = graph.read_bytes()
    name, *options = command
    assert_interrupted(start(SLOW_RUN, name, str(graph), *options, "--out", str(out)), "working")
    assert graph.read_bytes() == before
    assert list(tmp_path.iterdir()) == [graph]


def test_interrupted_while_it_averages(untrained: Path, tmp_path: Path) -> None:
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out.json"
    prompts.write_text("calc : 36 + 59 =\n")
    asked = ("average", str(prompts), "--model", str(untrained), "--out", str(out))
    assert_interrupted(start(SLOW_RUN, *asked), "working")
    assert list(tmp_path.iterdir()) == [prompts]


def test_killed_while_writing_leaves_the_old_file(untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    out.write_text("the old graph")
    process = start(SLOW_WRITE, "trace", "calc : 36 + 59 =", "--model", str(untrained), "--out", str(out))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "writing"
    process.kill()
    process.communicate(timeout=60)
    assert out.read_text() == "the old graph"


def test_help_is_fast_and_needs_no_torch() -> None:
    code = (
        "import sys; from gearscope.cli.main import main; main(['trace', '--help']); assert 'torch' not in sys.modules"
    )
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--max-features" in done.stdout
    assert time.monotonic() - begin < 60
