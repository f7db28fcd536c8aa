"""A run that is killed, or ended by Ctrl-C, goes on: no reply is asked for twice, and nothing is left half-written."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gearscope.features.store import Library
from tests.explainers.brains import by_rule
from tests.features.tiny import tiny_library
from tests.house.tree import PACKAGE, REPOSITORY
from tests.oracles.stub_models import StubModels, Trouble

RUN = """
import sys
from pathlib import Path
from gearscope.explainers.budget import Meter
from gearscope.explainers.caller import Caller
from gearscope.explainers.clients.opening import client_of, identity, source_of
from gearscope.explainers.config import CallConfig, EvidenceConfig, ExplainConfig
from gearscope.explainers.explain import explain_features
from gearscope.explainers.replies import Replies
from gearscope.explainers.run import Run
from gearscope.explainers.storing import Provenance
from gearscope.features.store import Library

folder, url = Path(sys.argv[1]), sys.argv[2]
call = CallConfig(concurrency=2)
config = ExplainConfig(call=call, evidence=EvidenceConfig(around=3))
source = source_of("openai", "stub-1", url)
caller = Caller(client_of(source, call), Replies(folder / "replies", identity(source, call)), Meter(None, None), call)
made = Provenance("examples", "openai", "h", "stub-1", 1, "s")
with Library.open(folder) as library, library.write_notes() as notes:
    run = Run(library, config, made, (), caller, None, None, None, notes, lambda what, n: None)
    try:
        found = explain_features(run, range(19))
    except KeyboardInterrupt:
        sys.exit(130)
print(len(found.labels), caller.tally.asked, caller.tally.cached)
"""
N_LIVE, N_KEPT = 18, 6  # of 19 features one is dead


@pytest.fixture
def folder(tmp_path):
    tiny_library(tmp_path / "lib").close()
    return tmp_path / "lib"


def start(folder, stub):
    path = os.pathsep.join([str(PACKAGE.parent), str(REPOSITORY)])
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), f"{stub.url}/v1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip


def replies(folder):
    return list((folder / "replies").rglob("*.json"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_where_it_ended(folder, how):
    """Six calls are answered; the two that are under way when it ends would have waited a minute."""
    with StubModels(by_rule) as stub:
        stub.trouble, stub.always = [Trouble()] * N_KEPT, Trouble(seconds=60)
        process = start(folder, stub)
        while (len(replies(folder)) < N_KEPT or len(stub.seen) < N_KEPT + 2) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL), err
        assert len(replies(folder)) == N_KEPT
        for path in replies(folder):
            assert json.loads(path.read_text())["answer"]["label"]
        stub.always = None
        out, err = start(folder, stub).communicate(timeout=120)
        assert out.split() == [str(N_LIVE), str(N_LIVE - N_KEPT), str(N_KEPT)], err
        assert len(stub.seen) == N_LIVE + 2
    with Library.open(folder, check_sums=True) as library:
        assert len(list(library.notes.all_labels())) == N_LIVE
