"""Head loadings against the HuggingFace model itself, with only one head between a source and a target left open.

The oracle shares no code with the split: what a source wrote is added once more, all attention frozen; what head h of
layer l then hands on differently is added again by itself to a model whose attention patterns are all zero, and what a
target reads there differently is that head's part of the edge.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.heads import head_loadings
from gearscope.attribution.targets import Target, feature_target, salient_logits
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.heads import NO_HEAD, HeadLoadings, split_error
from gearscope.graph.prune import prune
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from gearscope.replacement.coded import coded_replacement
from gearscope.replacement.neurons import neuron_replacement
from gearscope.replacement.replacement import Replacement
from gearscope.replacement.sae import sae_replacement
from tests.oracles.planted_basis import plant
from tests.oracles.planted_dictionaries import Plan, plant_saes, plant_set
from tests.oracles.tiny_models import CASES, FAMILIES, case, tiny

IDS = torch.tensor([0, 5, 9, 3, 7, 8, 4])


def traced(prompt: FrozenPrompt, basis: Replacement, targets: list[Target]) -> tuple[AttributionGraph, HeadLoadings]:
    names = [str(i) for i in prompt.token_ids.tolist()]
    config = AttributionConfig(coverage=1.0)
    graph = attribute(prompt, basis, targets, config, tokens=names, text="", model="tiny", basis="test")
    return graph, head_loadings(prompt, basis, targets, graph)


class OneHead:
    """What targets read differently through one head as the last one."""

    def __init__(self, model: Model, prompt: FrozenPrompt) -> None:
        self.model, self.prompt = model, prompt
        blocks = [
            replace(block, attn=replace(block.attn, pattern=torch.zeros_like(block.attn.pattern)))
            for block in prompt.blocks
        ]
        self.closed = replace(prompt, blocks=tuple(blocks))
        layers = range(model.n_layers)
        self.z = [SiteId(layer, "z") for layer in layers]
        self.reads = [*(SiteId(layer, "mlp_in") for layer in layers), SiteId(None, "final_in")]
        self.base_z, self.base = self._run(prompt, self.z, []), self._run(self.closed, self.reads, [])

    def _run(self, frozen: FrozenPrompt, read: list[SiteId], edits: list[Edit]) -> dict[str, Tensor]:
        with torch.no_grad():
            return self.model.run(IDS, read=read, edits=edits, freeze=Frozen(record=frozen)).sites

    def handed_on(self, written: list[tuple[SiteId, Tensor]], position: int) -> list[Tensor]:
        """By layer: the change of what all heads hand on, [P, H, E]."""
        edits = [Edit(site=site, value=vector, mode="add", positions=[position]) for site, vector in written]
        after = self._run(self.prompt, self.z, edits)
        return [after[str(name)] - self.base_z[str(name)] for name in self.z]

    def part(self, layer: int, head: int, z: Tensor, target: Target) -> float:
        """What the change `z` [P, H, E] of one head's output, and of no other, adds to a target."""
        alone = torch.zeros_like(z[target.position])
        alone[head] = z[target.position, head]
        edits = [Edit(site=SiteId(layer, "z"), value=alone, mode="add", positions=[target.position])]
        name = "final_in" if target.entry == "final_in" else f"blocks.{target.layer}.mlp_in"
        after = self._run(self.closed, self.reads, edits)
        return float(target.vector @ (after[name] - self.base[name])[target.position])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_head_carries_what_it_alone_lets_through(family: str) -> None:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3))
    prompt = model.record(IDS)
    basis = plant(prompt, 12, cross_layer=True)
    active = basis.active
    last = int(active.at(2, 6).start)
    feature = feature_target(basis, FeatureAt(2, int(active.index[last]), 6))[0]
    targets = salient_logits(prompt, position=-1, probability=0.5, most=1)
    graph, loadings = traced(prompt, basis, targets)
    oracle, number = OneHead(model, prompt), int(active.at(0, 3).start)
    written = [
        (SiteId(m, "mlp_out"), float(active.activation[number]) * basis.W_dec[0, m][active.index[number]])
        for m in range(3)
    ]
    posts = [block.mlp_post_norm for block in prompt.blocks]
    written = [
        (site, vector if post is None else vector * post.weight * post.scale[3])
        for (site, vector), post in zip(written, posts, strict=True)
    ]
    source = f"0_{int(active.index[number])}_3"
    carrying = compare(graph, loadings, oracle, oracle.handed_on(written, 3), source, targets[0])
    token = [(SiteId(None, "embed"), prompt.token_embed[3])]
    carrying += compare(graph, loadings, oracle, oracle.handed_on(token, 3), "E_3_3", feature)
    assert carrying >= 3, "heads that carry something were expected"


def compare(
    graph: AttributionGraph, loadings: HeadLoadings, oracle: OneHead, z: list[Tensor], source: str, target: Target
) -> int:
    """Every head's part of the edge from a source; returns how many hold more than a thousandth of the row."""
    node = graph.layout.targets.start if target.feature is None else graph.find(target.feature)
    parts, scale, carrying = dict(loadings.of_edge(node, graph.find(source))), graph.row_mass()[node], 0
    own = target.entry == "mlp_in" and not oracle.prompt.blocks[0].parallel
    for layer in range(target.layer + own):
        for head in range(4):
            expected = oracle.part(layer, head, z[layer], target)
            assert parts.get(layer * 4 + head, 0.0) == pytest.approx(expected, abs=1e-6 * scale)
            carrying += bool(abs(expected) > 1e-3 * scale)
    return carrying


@pytest.mark.parametrize("name", CASES)
def test_parts_sum_to_the_edge_in_single_precision(name: str) -> None:
    model = wrap(case(name, n_layers=3))
    prompt = model.record(IDS)
    basis = neuron_replacement(prompt, [model.neurons(layer) for layer in range(3)], None)
    targets = salient_logits(prompt, position=-1, probability=0.9, most=3)
    graph, loadings = traced(prompt, basis, targets)
    assert split_error(graph, loadings) < 1e-5
    pruned = prune(graph)
    fewer = head_loadings(prompt, basis, targets, pruned)
    assert split_error(pruned, fewer) < 1e-5
    assert (fewer.head == NO_HEAD).any()
    assert (fewer.head != NO_HEAD).any()


PLANS = {
    "skip clt": Plan(cross_layer=True, skip=True),
    "residual": Plan(skip=True, read="resid_mid"),
    "behind the post-norm": Plan(cross_layer=True, skip=True, write_form="site"),
    "before the gain": Plan(skip=True, read_form="before_gain"),
}
LEARNED = [("gemma2", plan) for plan in PLANS] + [("gpt2", "skip clt"), ("gpt2", "residual"), ("gpt_neox", "skip clt")]


@pytest.mark.parametrize(("family", "plan"), LEARNED)
def test_parts_sum_to_the_edge_in_learned_bases(family: str, plan: str) -> None:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3))
    prompt = model.record(IDS)
    basis = coded_replacement(prompt, plant_set(PLANS[plan], 3, model.d_model)[0])
    graph, loadings = traced(prompt, basis, salient_logits(prompt, position=-1, probability=0.9, most=3))
    assert split_error(graph, loadings) < 1e-5


SITES = [
    ("gpt2", ("blocks.0.mlp_out", "blocks.2.mlp_out")),
    ("gpt2", ("blocks.0.resid_post", "blocks.2.resid_post")),
    ("gemma2", ("blocks.1.resid_post",)),
    ("gpt_neox", ("blocks.0.resid_post", "blocks.1.resid_post")),
    ("mixtral", ("blocks.1.mlp_out",)),
]


@pytest.mark.parametrize(("family", "sites"), SITES)
def test_parts_sum_to_the_edge_where_saes_stand(family: str, sites: tuple[str, ...]) -> None:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3))
    prompt = model.record(IDS)
    mlps = [model.neurons(layer) for layer in range(3)]
    basis = sae_replacement(prompt, plant_saes(sites, model.d_model), mlps)
    graph, loadings = traced(prompt, basis, salient_logits(prompt, position=-1, probability=0.9, most=3))
    assert split_error(graph, loadings) < 1e-5


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrap(tiny("gpt2", dtype=torch.float64, n_layers=3))
    prompt = model.record(IDS)
    basis = plant(prompt, 12, cross_layer=True)
    targets = salient_logits(prompt, position=-1, probability=0.9, most=3)
    graph, whole = traced(prompt, basis, targets)
    monkeypatch.setattr("gearscope.attribution.sources._CHUNK_BYTES", 1)
    pieces = head_loadings(prompt, basis, targets, graph)
    assert np.array_equal(whole.head, pieces.head)
    np.testing.assert_allclose(whole.weight, pieces.weight, rtol=1e-9, atol=1e-12)
