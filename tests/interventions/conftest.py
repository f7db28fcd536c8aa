"""Tiny models of every family with a basis, and the whole graph of one prompt, each opened once."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from gearscope.graph.graph import AttributionGraph
from gearscope.models.model import wrap
from gearscope.opening import DictionaryBasis
from gearscope.workbench import Workbench
from tests.oracles.planted_dictionaries import Plain, Plan, plant_set
from tests.oracles.tiny_models import tiny

IDS = (0, 5, 9, 3, 7, 8, 4)
PLANS = {
    "plt": Plan(),
    "skip plt": Plan(skip=True),
    "topk": Plan(activation="topk", k=4),
    "clt": Plan(cross_layer=True),
    "skip clt": Plan(cross_layer=True, skip=True),
    "before the gain": Plan(skip=True, read_form="before_gain"),
    "residual": Plan(skip=True, read="resid_mid"),
    "behind the post-norm": Plan(cross_layer=True, skip=True, write_form="site"),
}


class Traced(NamedTuple):
    """A bench, the whole graph of `IDS` in it, and the plain matrices of its dictionaries (None for neurons)."""

    bench: Workbench
    graph: AttributionGraph
    plain: Plain | None

    def feature(self, i: int) -> str:
        """`L/F@P` of one node."""
        nodes = self.graph.nodes
        return f"{nodes.layer[i]}/{nodes.index[i]}@{nodes.position[i]}"

    def sources(self) -> list[int]:
        """The strongest features of each layer but the last at an early position, so that much can follow them."""
        nodes, here = self.graph.nodes, self.graph.layout.features
        early = [i for i in range(here.stop) if nodes.position[i] <= 4]
        layers = range(self.bench.model.n_layers - 1)
        return [
            max((i for i in early if nodes.layer[i] == at), key=lambda i: abs(nodes.activation[i])) for at in layers
        ]


@pytest.fixture(scope="session")
def traced() -> Callable[[str, str], Traced]:
    """`traced(family, basis)`, `basis` being "neurons" or one of `PLANS`; float64, three layers."""

    @functools.cache
    def trace(family: str, basis: str) -> Traced:
        model = wrap(tiny(family, dtype=torch.float64, n_layers=3, eos_token_id=None))
        if basis == "neurons":
            bench, plain = Workbench(model, name=family), None
        else:
            planted, plain = plant_set(PLANS[basis], model.n_layers, model.d_model)
            bench = Workbench(model, name=family, basis=DictionaryBasis(basis, planted))
        return Traced(bench, bench.trace(IDS, everything=True, coverage=1.0), plain)

    return trace
