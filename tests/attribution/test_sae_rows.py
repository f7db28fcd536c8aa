"""Rows in bases of SAEs against the HuggingFace model run with patterns, norms and MLP outputs frozen.

The oracle adds what a source wrote once more and lets the MLPs that stand between answer layer by layer, each as the
linear map that its own HuggingFace modules give when the ratios of their nonlinearities are held.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.targets import Target, feature_target, probe_target, salient_logits
from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import DictionaryError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from gearscope.replacement.coded import Coded
from gearscope.replacement.sae import sae_replacement
from tests.oracles.planted_dictionaries import plant_saes
from tests.oracles.tiny_models import CASES, tiny
from tests.oracles.tiny_models import case as tiny_case

IDS = torch.tensor([0, 5, 9, 3, 7, 8, 4])
SITES = {
    "every output": ("blocks.0.mlp_out", "blocks.1.mlp_out", "blocks.2.mlp_out"),
    "one output": ("blocks.1.mlp_out",),
    "every stream": ("blocks.0.resid_post", "blocks.1.resid_post", "blocks.2.resid_post"),
    "one stream": ("blocks.2.resid_pre",),
}


@cache
def opened(family: str, dtype: torch.dtype = torch.float64) -> tuple[Model, FrozenPrompt]:
    model = wrap(tiny(family, dtype=dtype, n_layers=3))
    return model, model.record(IDS)


def rewritten(model: Model, prompt: FrozenPrompt, saes: DictionarySet) -> Coded:
    return sae_replacement(prompt, saes, [model.neurons(layer) for layer in range(model.n_layers)])


def trace(prompt: FrozenPrompt, replacement: Coded, targets: list[Target]) -> AttributionGraph:
    names = [str(i) for i in prompt.token_ids.tolist()]
    config = AttributionConfig(coverage=1.0)
    return attribute(prompt, replacement, targets, config, tokens=names, text="", model="tiny", basis="test")


def held_mlp(module: Any, x0: Tensor, moved: Tensor) -> Tensor:
    """The change of a HuggingFace MLP's output when its input moves and the ratios of its nonlinearities are held."""
    if hasattr(module, "c_fc"):
        u0 = module.c_fc(x0)
        ratio = (module.act(u0) - module.act(torch.zeros_like(u0))) / u0
        return module.c_proj(ratio * module.c_fc(x0 + moved)) - module.c_proj(ratio * u0)
    g0, u0 = module.gate_proj(x0), module.up_proj(x0)
    a0 = module.act_fn(g0)

    def halves(x: Tensor) -> Tensor:
        return module.down_proj(0.5 * (a0 / g0) * module.gate_proj(x) * u0 + 0.5 * a0 * module.up_proj(x))

    return halves(x0 + moved) - halves(x0)


class Oracle:
    """Changes of the frozen model, MLPs between SAEs answering linearly, from runs of the model alone."""

    def __init__(self, model: Model, prompt: FrozenPrompt, saes: DictionarySet) -> None:
        self.model, self.prompt, self.saes = model, prompt, saes.saes_by_layer()
        self.on_stream = saes.configs[0].read_sites[0].name.startswith("resid")
        self.base = self._run([])

    def _run(self, edits: list[Edit]) -> dict[str, Tensor]:
        names = [f"blocks.{i}.{site}" for i in range(3) for site in ("mlp_in", "mlp_out", "resid_post")] + ["final_in"]
        with torch.no_grad():
            return self.model.run(IDS, read=names, edits=edits, freeze=Frozen(record=self.prompt)).sites

    def changes(self, where: SiteId, position: int, vector: Tensor) -> dict[str, Tensor]:
        """Of every site, when `vector` is added at one; streams that SAEs stand for stay as they were."""
        edits = [Edit(site=where, value=vector, mode="add", positions=[position])]
        seen: dict[str, Tensor] = {}
        for layer in range(3):
            own = self._moved(edits)
            answer = torch.zeros_like(own[f"blocks.{layer}.mlp_out"])
            if self.on_stream or layer not in self.saes:
                answer = self._answer(layer, own[f"blocks.{layer}.mlp_in"])
                edits.append(Edit(site=SiteId(layer, "mlp_out"), value=answer, mode="add"))
            else:
                seen[f"blocks.{layer}.mlp_out"] = self._answer(layer, own[f"blocks.{layer}.mlp_in"])
            if self.on_stream and layer in self.saes:
                stream = self._moved(edits)[f"blocks.{layer}.resid_post"]
                seen[f"blocks.{layer}.resid_post"] = stream
                if where != SiteId(layer, "resid_post"):
                    edits.append(Edit(site=SiteId(layer, "resid_post"), value=-stream, mode="add"))
        return {**self._moved(edits), **seen}

    def _moved(self, edits: list[Edit]) -> dict[str, Tensor]:
        after = self._run(edits)
        return {name: after[name] - self.base[name] for name in after}

    def _answer(self, layer: int, moved: Tensor) -> Tensor:
        """What the MLP adds to the stream; nothing at the constant position."""
        block = self.prompt.blocks[layer]
        out = held_mlp(self.model.anatomy.blocks[layer].mlp.module, block.mlp_in, moved)
        post = block.mlp_post_norm
        out = out if post is None else out * post.weight * post.scale[:, None]
        out[: self.prompt.n_constant_positions] = 0
        return out

    def column(self, graph: AttributionGraph, targets: list[Target], change: dict[str, Tensor]) -> Tensor:
        nodes, out = graph.nodes, torch.zeros(len(graph.nodes), dtype=torch.float64)
        for i in range(graph.layout.features.stop):
            layer, position, index = int(nodes.layer[i]), int(nodes.position[i]), int(nodes.index[i])
            site = f"blocks.{layer}.{'resid_post' if self.on_stream else 'mlp_out'}"
            out[i] = self.saes[layer].W_enc[index, 0] @ change[site][position]
        for i, target in enumerate(targets):
            out[graph.layout.targets.start + i] = target.vector @ change["final_in"][target.position]
        return out


@pytest.mark.parametrize("place", SITES)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_columns_are_what_the_model_does(family: str, place: str) -> None:
    model, prompt = opened(family)
    saes = plant_saes(SITES[place], model.d_model)
    replacement = rewritten(model, prompt, saes)
    targets = salient_logits(prompt, position=-1, probability=0.9, most=2)
    graph, oracle = trace(prompt, replacement, targets), Oracle(model, prompt, saes)
    matrix, nodes, site = torch.from_numpy(graph.adjacency.toarray()), graph.nodes, SITES[place][0].split(".")[-1]
    chosen = torch.randperm(graph.layout.tokens.stop, generator=torch.Generator().manual_seed(1))[:14].tolist()
    for source in [*chosen, graph.layout.tokens.start, graph.layout.tokens.start + 3]:
        layer, position, index = int(nodes.layer[source]), int(nodes.position[source]), int(nodes.index[source])
        where = SiteId(layer, "mlp_out" if site == "mlp_out" else "resid_post")
        match nodes.kind[source]:
            case "feature":
                vector = float(nodes.activation[source]) * oracle.saes[layer].W_dec[index, 0]
            case "error":
                vector = replacement.error[layer, position]
            case "token":
                where, vector = SiteId(None, "embed"), prompt.token_embed[position]
        change = oracle.changes(where, position, vector)
        if nodes.kind[source] != "token":
            change[str(where)] = torch.zeros_like(change["final_in"])  # features of a layer do not see each other
        np.testing.assert_allclose(matrix[:, source], oracle.column(graph, targets, change), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("place", SITES)
@pytest.mark.parametrize("name", CASES)
def test_every_row_sums_to_its_value(name: str, place: str) -> None:
    model = wrap(tiny_case(name, dtype=torch.float64, n_layers=3))
    prompt = model.record(IDS)
    replacement = rewritten(model, prompt, plant_saes(SITES[place], model.d_model))
    graph = trace(prompt, replacement, salient_logits(prompt, position=-1, probability=0.9, most=4))
    assert (~np.isnan(graph.nodes.value)).sum() >= 10
    assert np.nanmax(graph.row_error()) < 1e-6, "HuggingFace computes RMS norms in float32"


@pytest.mark.parametrize("place", SITES)
def test_prompts_without_a_constant_position(place: str) -> None:
    model = opened("gpt2")[0]
    prompt = model.record(IDS[1:])
    assert prompt.n_constant_positions == 0
    replacement = rewritten(model, prompt, plant_saes(SITES[place], model.d_model))
    graph = trace(prompt, replacement, salient_logits(prompt, position=-1, probability=0.5, most=2))
    assert np.nanmax(graph.row_error()) < 1e-6


@pytest.mark.parametrize("place", SITES)
def test_features_and_probes_are_targets(place: str) -> None:
    model, prompt = opened("llama")
    replacement = rewritten(model, prompt, plant_saes(SITES[place], model.d_model))
    active, last = replacement.active, len(replacement.active) - 1
    feature = FeatureAt(int(active.layer[last]), int(active.index[last]), int(active.position[last]))
    direction = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    reading = model.run(IDS, read=["blocks.1.resid_mid"]).sites["blocks.1.resid_mid"][4]
    probe = probe_target(prompt, direction, SiteId.parse("blocks.1.resid_mid"), reading, position=4)
    for target in (feature_target(replacement, feature), probe):
        assert trace(prompt, replacement, target).row_error()[-1] < 1e-6


def test_a_stream_hides_what_is_below_it() -> None:
    """With an SAE on every stream, a logit sees the last stream and nothing else."""
    model, prompt = opened("llama")
    replacement = rewritten(model, prompt, plant_saes(SITES["every stream"], model.d_model))
    graph = trace(prompt, replacement, salient_logits(prompt, position=-1, probability=0.9, most=2))
    seen = graph.adjacency[graph.layout.targets].toarray().any(axis=0).nonzero()[0]
    assert len(seen)
    assert all(graph.nodes.layer[i] == 2 for i in seen if graph.nodes.kind[i] in ("feature", "error"))
    assert not any(graph.nodes.kind[i] == "token" for i in seen)


def test_float32_rows_sum_to_their_values() -> None:
    model, prompt = opened("llama", torch.float32)
    for sites in SITES.values():
        replacement = rewritten(model, prompt, plant_saes(sites, model.d_model, dtype=torch.float32))
        targets = salient_logits(prompt, position=-1, probability=0.9, most=4)
        assert np.nanmax(trace(prompt, replacement, targets).row_error()) < 1e-5


@pytest.mark.parametrize(
    "sites",
    [
        ("blocks.0.mlp_out", "blocks.1.resid_post"),
        ("blocks.0.resid_pre",),
        ("blocks.0.resid_post", "blocks.1.resid_pre"),
        ("blocks.3.mlp_out",),
        ("blocks.0.attn_out",),
    ],
)
def test_saes_that_cannot_be_a_basis(sites: tuple[str, ...]) -> None:
    model, prompt = opened("llama")
    with pytest.raises(DictionaryError, match="SAEs for a model of 3 layers and width 16"):
        rewritten(model, prompt, plant_saes(sites, model.d_model))
