"""Rows in learned bases against the HuggingFace model run with patterns, norms and MLP outputs frozen.

The oracle adds what a source wrote once more, lets skips answer layer by layer as the definition says (the frozen MLP
output changes by `W_skip` times the change of what the dictionary reads), and looks at what every feature reads.
"""

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.targets import Target, feature_target, salient_logits
from gearscope.errors import DictionaryError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from gearscope.replacement.coded import Coded, coded_replacement
from tests.oracles.planted_dictionaries import Plain, Plan, plant_set
from tests.oracles.tiny_models import FAMILIES, tiny

EVERY_PLAN = ("gpt2", "llama", "mistral", "gemma2")
"""Families that see every kind of dictionary; the others see the kinds that their anatomy could break."""
IDS = torch.tensor([0, 5, 9, 3, 7, 8, 4])
PLANS = {
    "plt": Plan(),
    "skip plt": Plan(skip=True),
    "skip topk": Plan(skip=True, activation="topk", k=4),
    "clt": Plan(cross_layer=True),
    "clt relu": Plan(cross_layer=True, activation="relu"),
    "skip clt": Plan(cross_layer=True, skip=True),
    "before the gain": Plan(skip=True, read_form="before_gain"),
    "residual": Plan(skip=True, read="resid_mid"),
    "behind the post-norm": Plan(cross_layer=True, skip=True, write_form="site"),
}
Written = list[tuple[int | None, int, Tensor]]
"""(layer of an MLP output or None for the embedding, position, what is added)."""


OTHERS = tuple(family for family in FAMILIES if family not in EVERY_PLAN)
COLUMNS = [
    *itertools.product(EVERY_PLAN, ("skip plt", "clt", "before the gain", "residual", "behind the post-norm")),
    *itertools.product(OTHERS, ("skip plt",)),
]
SUMS = [
    *itertools.product(EVERY_PLAN, PLANS),
    *itertools.product(OTHERS, ("skip clt", "before the gain", "behind the post-norm")),
]


@cache
def opened(family: str) -> tuple[Model, FrozenPrompt]:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3))
    return model, model.record(IDS)


def trace(prompt: FrozenPrompt, replacement: Coded, targets: list[Target]) -> AttributionGraph:
    names = [str(i) for i in prompt.token_ids.tolist()]
    config = AttributionConfig(coverage=1.0)
    return attribute(prompt, replacement, targets, config, tokens=names, text="", model="tiny", basis="test")


class Oracle:
    """Changes of the frozen model with live skips, from runs of the model alone."""

    def __init__(self, model: Model, prompt: FrozenPrompt, plain: Plain) -> None:
        self.model, self.prompt, self.plain = model, prompt, plain
        sites = [SiteId(layer, plain.plan.read) for layer in range(model.n_layers)]
        self.sites = [*sites, SiteId(None, "final_in")]
        self.base = self._run([])

    def _run(self, written: Written) -> dict[str, Tensor]:
        edits = [
            Edit(site=self._site(layer), value=self._behind(layer, position, vector), mode="add", positions=[position])
            for layer, position, vector in written
        ]
        frozen = Frozen(record=self.prompt)
        with torch.no_grad():
            return self.model.run(IDS, read=self.sites, edits=edits, freeze=frozen).sites

    @staticmethod
    def _site(layer: int | None) -> SiteId:
        return SiteId(None, "embed") if layer is None else SiteId(layer, "mlp_out")

    def _behind(self, layer: int | None, position: int, vector: Tensor) -> Tensor:
        """What reaches the stream: the post-norm stands between, unless the dictionary writes behind it."""
        post = None if layer is None else self.prompt.blocks[layer].mlp_post_norm
        after = self.plain.plan.write_form == "site"
        return vector if post is None or after else vector * post.weight * post.scale[position]

    def read(self, layer: int, values: dict[str, Tensor]) -> Tensor:
        """What the dictionary of `layer` reads, from readings (or their changes, biases being constant)."""
        x = values[f"blocks.{layer}.{self.plain.plan.read}"]
        return x / self.prompt.blocks[layer].mlp_norm.weight if self.plain.plan.read_form == "before_gain" else x

    def changes(self, written: Written) -> dict[str, Tensor]:
        def now() -> dict[str, Tensor]:
            after = self._run(written)
            return {name: after[name] - self.base[name] for name in after}

        if self.plain.W_skip is not None:
            for layer in range(self.model.n_layers):
                moved = self.read(layer, now()) @ self.plain.W_skip[layer].T
                written = written + [(layer, position, vector) for position, vector in enumerate(moved)]
        return now()

    def column(self, graph: AttributionGraph, targets: list[Target], written: Written) -> Tensor:
        change, nodes = self.changes(written), graph.nodes
        out = torch.zeros(len(nodes), dtype=torch.float64)
        for i in range(graph.layout.features.stop):
            layer, position, index = int(nodes.layer[i]), int(nodes.position[i]), int(nodes.index[i])
            out[i] = self.plain.W_enc[layer, index] @ self.read(layer, change)[position]
        for i, target in enumerate(targets):
            out[graph.layout.targets.start + i] = target.vector @ change["final_in"][target.position]
        return out


@pytest.mark.parametrize(("family", "name"), COLUMNS)
def test_columns_are_what_the_model_does(family: str, name: str) -> None:
    model, prompt = opened(family)
    dictionaries, plain = plant_set(PLANS[name], 3, model.d_model)
    replacement = coded_replacement(prompt, dictionaries)
    targets = salient_logits(prompt, position=-1, probability=0.9, most=2)
    graph, oracle = trace(prompt, replacement, targets), Oracle(model, prompt, plain)
    matrix, nodes = torch.from_numpy(graph.adjacency.toarray()), graph.nodes
    chosen = torch.randperm(graph.layout.tokens.stop, generator=torch.Generator().manual_seed(1))[:14].tolist()
    for source in [*chosen, graph.layout.tokens.start, graph.layout.tokens.start + 3]:
        layer, position, index = int(nodes.layer[source]), int(nodes.position[source]), int(nodes.index[source])
        match nodes.kind[source]:
            case "feature":
                active = float(nodes.activation[source])
                written = [(m, position, active * W[index]) for (s, m), W in plain.W_dec.items() if s == layer]
            case "error":
                written = [(layer, position, replacement.error[layer, position])]
            case "token":
                written = [(None, position, prompt.token_embed[position])]
        expected = oracle.column(graph, targets, written)
        np.testing.assert_allclose(matrix[:, source], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("family", "name"), SUMS)
def test_every_row_sums_to_its_value(family: str, name: str) -> None:
    model, prompt = opened(family)
    dictionaries, _ = plant_set(PLANS[name], 3, model.d_model)
    graph = trace(
        prompt, coded_replacement(prompt, dictionaries), salient_logits(prompt, position=-1, probability=0.9, most=4)
    )
    assert (~np.isnan(graph.nodes.value)).sum() >= 30
    assert np.nanmax(graph.row_error()) < 1e-6, "HuggingFace computes RMS norms in float32"


@pytest.mark.parametrize("name", ["skip plt", "clt", "residual"])
@pytest.mark.parametrize("family", EVERY_PLAN)
def test_prompts_without_a_constant_position(family: str, name: str) -> None:
    model = opened(family)[0]
    prompt = model.record(IDS[1:])
    assert prompt.n_constant_positions == 0
    dictionaries, _ = plant_set(PLANS[name], 3, model.d_model)
    graph = trace(
        prompt, coded_replacement(prompt, dictionaries), salient_logits(prompt, position=-1, probability=0.5, most=2)
    )
    assert np.nanmax(graph.row_error()) < 1e-6


def test_a_parallel_layer_has_no_residual_stream_in_between() -> None:
    model, prompt = opened("gpt_neox")
    with pytest.raises(DictionaryError, match="parallel"):
        coded_replacement(prompt, plant_set(PLANS["residual"], 3, model.d_model)[0])


@pytest.mark.parametrize("family", EVERY_PLAN)
def test_a_feature_of_the_residual_basis_is_a_target(family: str) -> None:
    model, prompt = opened(family)
    dictionaries, _ = plant_set(PLANS["residual"], 3, model.d_model)
    replacement = coded_replacement(prompt, dictionaries)
    active, last = replacement.active, len(replacement.active) - 1
    feature = FeatureAt(int(active.layer[last]), int(active.index[last]), int(active.position[last]))
    graph = trace(prompt, replacement, feature_target(replacement, feature))
    assert graph.row_error()[-1] < 1e-6


def test_float32_rows_sum_to_their_values() -> None:
    for family in EVERY_PLAN:
        model = wrap(tiny(family, dtype=torch.float32, n_layers=3))
        prompt = model.record(IDS)
        dictionaries, _ = plant_set(PLANS["skip clt"], 3, model.d_model, dtype=torch.float32)
        targets = salient_logits(prompt, position=-1, probability=0.9, most=4)
        assert np.nanmax(trace(prompt, coded_replacement(prompt, dictionaries), targets).row_error()) < 1e-5
