"""A small library, all of its firings, and servers that answer by the rule that a label states."""

import numpy as np
import pytest

from gearscope.explainers.budget import Meter
from gearscope.explainers.caller import Caller
from gearscope.explainers.clients.opening import client_of, identity, source_of
from gearscope.explainers.config import CallConfig, EvidenceConfig, ExplainConfig, Prices, ScoreConfig
from gearscope.explainers.evidence import Slice
from gearscope.explainers.replies import Replies
from gearscope.explainers.run import Run
from gearscope.explainers.storing import Provenance
from tests.explainers.brains import by_rule
from tests.features.tiny import CONTEXT, N_WINDOWS, WORDS, planted_activations, tiny_library
from tests.oracles.stub_models import StubModels

KEY = "sk-test-0123456789abcdef"
SMALL = ExplainConfig(
    call=CallConfig(first_wait=0.01, timeout=30.0, concurrency=3),
    evidence=EvidenceConfig(around=3, shown=6),
    score=ScoreConfig(positives=6, negatives=8, batch=5, simulated=6, intruders=4),
)


class Dense:
    """All firings of `tiny_library`, from its activations."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.windows = rng.integers(1, len(WORDS), (N_WINDOWS, CONTEXT))
        self.windows[:, 0] = 0
        self.acts = planted_activations(self.windows, rng)

    def tokens(self, feature):
        return np.flatnonzero(self.acts[..., feature].ravel())


@pytest.fixture(scope="session")
def dense():
    return Dense()


@pytest.fixture(scope="session")
def part(dense):
    return Slice(dense.windows, dense)


@pytest.fixture
def library(tmp_path):
    with tiny_library(tmp_path / "lib") as opened:
        yield opened


@pytest.fixture
def stub():
    with StubModels(by_rule) as running:
        yield running


@pytest.fixture(params=["anthropic", "openai"])
def provider(request):
    return request.param


@pytest.fixture
def caller_for(tmp_path, monkeypatch):
    """Callers of a stub."""

    def make(stub, provider="openai", config=SMALL.call, prices=None, cap=None, model="stub-1"):
        monkeypatch.setenv("SOME_KEY", KEY)
        url = stub.url if provider == "anthropic" else f"{stub.url}/v1"
        source = source_of(provider, model, url, "SOME_KEY")
        replies = Replies(tmp_path / "replies", identity(source, config))
        meter = Meter(None if prices is None else Prices(input=prices[0], output=prices[1]), cap)
        return Caller(client_of(source, config), replies, meter, config)

    return make


@pytest.fixture
def run_for(library, part):
    """Runs on the small library."""

    def make(asking, notes=None, explainer="examples", scorers=(), config=SMALL, **more):
        made = Provenance(explainer, "openai", "127.0.0.1", "stub-1", 1, "s")
        told = {"embedding": None, "part": part, "read": None, "tell": lambda _, __: None} | more
        return Run(library, config, made, scorers, asking, notes=notes, **told)

    return make
