"""A folder of small graphs, and an application over it with a stand-in for the workbench."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gearscope.cli.main import main
from gearscope.errors import PromptError
from gearscope.graph.graph import AttributionGraph, Supernode, TokenEffects
from gearscope.graph.prune import prune
from gearscope.graph.store import write_graph
from gearscope.web.app import build_app
from gearscope.web.config import EngineConfig, Limits, ServeConfig
from gearscope.web.engine import Engine
from tests.cli.conftest import Outcome
from tests.oracles.layered_graphs import layered_graph

TOKEN, PORT = "a-token-of-this-test", 8123
HOST = f"http://127.0.0.1:{PORT}"
BEARER = {"authorization": f"Bearer {TOKEN}"}
WRITE = {"x-gearscope": "1"}


def small_graph(seed: int = 3) -> AttributionGraph:
    """A pruned circuit of three tokens with effects, a pin and a group."""
    graph = prune(layered_graph(seed).with_scores(), 0.9, 1.0)
    first, second, *_ = graph.nodes.ids
    return replace(
        graph,
        model="organism",
        effects={first: TokenEffects((("x", 1.5),), (("y", -1.0),))},
        pinned=(first,),
        supernodes=(Supernode("two", (first, second)),),
    )


class FakeBench:
    """What the engine needs of a workbench: it traces one known prompt, and remembers what it was asked."""

    basis = "neurons"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def trace(self, prompt: str, *, target=None, against=None, progress: Callable[[str, int], None]):
        self.asked.append({"prompt": prompt, "target": target, "against": against})
        if "zebra" in prompt:
            raise PromptError("words that the model knows were expected", found="'zebra'")
        progress("layer 1", 10)
        return small_graph(4)

    def intervene(self, graph: AttributionGraph, edits: list[str], **settings: Any):
        self.asked.append({"groups": graph.supernodes, "edits": edits, **settings})
        return intervention(edits)


def intervention(edits: list[str]):
    from gearscope.interventions.result import Agreement, Intervention, NodeRow, TokenRow

    change = {"predicted": -1.0, "measured": -0.5, "control": 0.1, "control_std": 0.2}
    node = NodeRow(
        node_id="0_1_1",
        name="0/1@1",
        layer=0,
        position=1,
        before=2.0,
        activation_before=2.0,
        activation_after=1.0,
        **change,
    )
    token = TokenRow(
        token="x",
        token_id=4,
        node_id=None,
        position=2,
        probability_before=0.6,
        probability_after=0.4,
        logit_before=3.0,
        **change,
    )
    return Intervention(
        model="organism", basis="neurons", prompt="a b c", tokens=("a", "b", "c"), edits=tuple(edits), mode="direct",
        hold_norms=False, freeze_to=None, seed=0, controls=8, edited=(), nodes=(node,), next_tokens=(token,),
        agreement=Agreement(
            rows=2, spearman=None, spearman_control=None, size=1.0, size_control=1.0, sign_agreement=1.0, kl=0.1,
            kl_control=0.01, kl_control_std=0.0,
        ),
    )  # fmt: skip


@pytest.fixture
def shelf_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEARSCOPE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "graphs"
    write_graph(folder / "small.json", small_graph())
    return folder


@pytest.fixture
def bench() -> FakeBench:
    return FakeBench()


@pytest.fixture
def client(shelf_folder: Path, bench: FakeBench) -> TestClient:
    """A client that holds the token and writes as the page does."""
    return client_of(shelf_folder, bench, headers=BEARER | WRITE)


def client_of(source: Path, bench: Any = None, *, headers: dict[str, str] | None = None, **limits: int) -> TestClient:
    config = ServeConfig(source=source, limits=Limits(**limits))
    engine = Engine(EngineConfig(), config.limits, opener=lambda _: bench)
    app = build_app(config, token=TOKEN, port=PORT, engine=engine)
    return TestClient(app, base_url=HOST, headers=headers, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def gearscope(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run one command line in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(list(arguments))
        return Outcome(code, *capsys.readouterr())

    return run
