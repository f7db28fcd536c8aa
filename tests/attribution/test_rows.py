"""Rows of attributions against the HuggingFace model itself, run with its patterns, norms and MLP outputs frozen.

The oracle shares no code with the rows: it adds what a source wrote once more, runs the model forward, and looks at
what every target reads. Column s of the matrix must be the change of every target: error, token and feature edges.
"""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.attribution import rows as row_module
from gearscope.attribution.attribute import attribute
from gearscope.attribution.config import AttributionConfig
from gearscope.attribution.rows import Aim, RowMaker
from gearscope.attribution.targets import (
    Target,
    aims,
    feature_target,
    logit_difference,
    logits,
    probe_target,
    salient_logits,
)
from gearscope.errors import TargetError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from gearscope.replacement.neurons import neuron_replacement
from gearscope.replacement.replacement import Replacement
from tests.oracles.planted_basis import Planted, plant
from tests.oracles.tiny_models import FAMILIES, tiny

IDS = torch.tensor([0, 5, 9, 3, 7, 8, 4])


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Model:
    return wrap(tiny(request.param, dtype=torch.float64, n_layers=3))


@pytest.fixture(scope="module")
def prompt(model: Model) -> FrozenPrompt:
    return model.record(IDS)


def trace(prompt: FrozenPrompt, replacement: Replacement, targets: list[Target], **settings) -> AttributionGraph:
    names = [str(i) for i in prompt.token_ids.tolist()]
    config = AttributionConfig(**{"coverage": 1.0, **settings})
    return attribute(prompt, replacement, targets, config, tokens=names, text="", model="tiny", basis="test")


class Changes:
    """What every MLP and the unembedding read, in the frozen model, when something is added to its residual stream."""

    def __init__(self, model: Model, prompt: FrozenPrompt) -> None:
        self.model, self.prompt = model, prompt
        self.read = [SiteId(layer, "mlp_in") for layer in range(model.n_layers)] + [SiteId(None, "final_in")]
        self.base = self._run([])

    def _run(self, edits: list[Edit]) -> dict[str, Tensor]:
        with torch.no_grad():
            return self.model.run(IDS, read=self.read, edits=edits, freeze=Frozen(record=self.prompt)).sites

    def of(self, written: list[tuple[SiteId, int, Tensor]]) -> dict[str, Tensor]:
        edits = [Edit(site=site, value=vector, mode="add", positions=[position]) for site, position, vector in written]
        after = self._run(edits)
        return {name: after[name] - self.base[name] for name in self.base}

    def mlp(self, layer: int, position: int, vector: Tensor) -> tuple[SiteId, int, Tensor]:
        """A vector written into an MLP's output reaches the stream through the post-norm, where there is one."""
        post = self.prompt.blocks[layer].mlp_post_norm
        added = vector if post is None else vector * post.weight * post.scale[position]
        return SiteId(layer, "mlp_out"), position, added


def expected_column(
    graph: AttributionGraph, planted: Planted, targets: list[Target], change: dict[str, Tensor]
) -> Tensor:
    """The change of every feature's pre-activation and of every target."""
    nodes, out = graph.nodes, torch.zeros(len(graph.nodes), dtype=torch.float64)
    for i in range(graph.layout.features.stop):
        layer, position, index = int(nodes.layer[i]), int(nodes.position[i]), int(nodes.index[i])
        out[i] = planted.W_enc[layer, index] @ change[f"blocks.{layer}.mlp_in"][position]
    for i, target in enumerate(targets):
        out[graph.layout.targets.start + i] = target.vector @ change["final_in"][target.position]
    return out


@pytest.mark.parametrize("cross_layer", [False, True])
def test_columns_are_what_the_model_does(model: Model, prompt: FrozenPrompt, cross_layer: bool) -> None:
    planted = plant(prompt, 12, cross_layer=cross_layer)
    targets = salient_logits(prompt, position=-1, probability=0.9, most=4)
    graph, changes = trace(prompt, planted, targets), Changes(model, prompt)
    matrix, nodes = torch.from_numpy(graph.adjacency.toarray()), graph.nodes
    generator = torch.Generator().manual_seed(1)
    sources = torch.randperm(graph.layout.tokens.stop, generator=generator)[:60].tolist()
    sources += range(graph.layout.tokens.start, graph.layout.tokens.stop)
    for source in sources:
        layer, position, index = int(nodes.layer[source]), int(nodes.position[source]), int(nodes.index[source])
        match nodes.kind[source]:
            case "feature":
                written = [
                    changes.mlp(m, position, float(nodes.activation[source]) * planted.W_dec[layer, m][index])
                    for m in range(layer, model.n_layers)
                    if (layer, m) in planted.W_dec
                ]
            case "error":
                written = [changes.mlp(layer, position, planted.error[layer, position])]
            case "token":
                written = [(SiteId(None, "embed"), position, prompt.token_embed[position])]
        expected = expected_column(graph, planted, targets, changes.of(written))
        np.testing.assert_allclose(matrix[:, source], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("basis", ["neurons", "few neurons", "per layer", "cross layer"])
def test_every_row_sums_to_its_value(model: Model, prompt: FrozenPrompt, basis: str) -> None:
    mlps = [model.neurons(layer) for layer in range(model.n_layers)]
    replacement = {
        "neurons": lambda: neuron_replacement(prompt, mlps),
        "few neurons": lambda: neuron_replacement(prompt, mlps, 5),
        "per layer": lambda: plant(prompt, cross_layer=False),
        "cross layer": lambda: plant(prompt, cross_layer=True),
    }[basis]()
    graph = trace(prompt, replacement, salient_logits(prompt, position=-1, probability=0.9, most=4))
    rows = ~np.isnan(graph.nodes.value)
    assert rows.sum() > 40
    assert np.nanmax(graph.row_error()) < 1e-6, "HuggingFace computes RMS norms in float32"
    assert graph.rest_abs.max() < 1e-9, "with full coverage nothing that matters is left out"


def test_float32_rows_sum_to_their_values() -> None:
    for family in FAMILIES:
        model = wrap(tiny(family, dtype=torch.float32, n_layers=3))
        prompt = model.record(IDS)
        mlps = [model.neurons(layer) for layer in range(model.n_layers)]
        targets = salient_logits(prompt, position=-1, probability=0.9, most=4)
        assert np.nanmax(trace(prompt, neuron_replacement(prompt, mlps), targets).row_error()) < 1e-5


@pytest.mark.parametrize("position", range(len(IDS)))
def test_targets_at_every_position(model: Model, prompt: FrozenPrompt, position: int) -> None:
    graph = trace(prompt, plant(prompt, 8, cross_layer=True), logits(prompt, [3, 10], position=position))
    targets = graph.layout.targets
    assert np.nanmax(graph.row_error()[targets]) < 1e-6
    later = graph.nodes.position > position
    assert not graph.adjacency[targets].toarray()[:, later].any(), "nothing after a target can feed it"


def test_salient_equals_explicit(prompt: FrozenPrompt) -> None:
    planted = plant(prompt, 8, cross_layer=True)
    salient = salient_logits(prompt, position=-1, probability=0.8, most=6)
    explicit = logits(prompt, [t.token_id for t in salient], position=-1)
    first, second = trace(prompt, planted, salient), trace(prompt, planted, explicit)
    assert first.nodes.ids == second.nodes.ids
    assert (first.adjacency != second.adjacency).nnz == 0


def test_salient_logits_are_the_fewest_that_suffice(prompt: FrozenPrompt) -> None:
    share = prompt.logits[-1].softmax(-1).sort(descending=True).values
    for probability in (0.1, 0.5, 0.9):
        chosen = salient_logits(prompt, position=-1, probability=probability, most=50)
        total = sum(t.probability for t in chosen)
        assert total >= probability > total - chosen[-1].probability
        assert [t.probability for t in chosen] == pytest.approx(share[: len(chosen)].tolist())
    assert len(salient_logits(prompt, position=-1, probability=0.999, most=3)) == 3


def test_difference_is_the_difference_of_rows(prompt: FrozenPrompt) -> None:
    planted = plant(prompt, 8, cross_layer=True)
    maker = RowMaker(prompt=prompt, replacement=planted)

    def rows(targets: list[Target]) -> Tensor:
        return torch.cat([rows.dense(len(planted.active)) for aim in aims(targets) for _, rows in maker.rows(aim)])

    two, one = rows(logits(prompt, [3, 10], position=-1)), rows(logit_difference(prompt, 3, 10, position=-1))
    torch.testing.assert_close(one[0], two[0] - two[1], rtol=1e-9, atol=1e-12)


def test_feature_target_is_its_row(prompt: FrozenPrompt) -> None:
    planted = plant(prompt, 8, cross_layer=True)
    whole = trace(prompt, planted, logits(prompt, [3], position=-1))
    number = whole.layout.features.stop - 3
    feature = FeatureAt(
        *(int(column[number]) for column in (whole.nodes.layer, whole.nodes.index, whole.nodes.position))
    )
    graph = trace(prompt, planted, feature_target(planted, feature))
    row = graph.adjacency[[graph.layout.targets.start]].toarray()[0]
    for source in np.flatnonzero(row):
        assert row[source] == pytest.approx(whole.edge(whole.nodes.ids[number], graph.nodes.ids[source]), rel=1e-9)
    assert graph.row_error()[-1] < 1e-6


@pytest.mark.parametrize(
    "site", ["blocks.1.resid_pre", "blocks.1.resid_mid", "blocks.1.mlp_in", "blocks.2.resid_post", "final_in"]
)
def test_probe_rows_sum_to_the_reading(model: Model, prompt: FrozenPrompt, site: str) -> None:
    where = SiteId.parse(site)
    if where.name == "resid_mid" and model.anatomy.parallel:
        pytest.skip("this family has no such site")
    direction = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        reading = model.run(IDS, read=[where]).sites[site][4]
    graph = trace(
        prompt, plant(prompt, 8, cross_layer=False), probe_target(prompt, direction, where, reading, position=4)
    )
    assert graph.row_error()[-1] < 1e-6


def test_targets_that_do_not_exist(prompt: FrozenPrompt) -> None:
    planted, direction = plant(prompt, 8, cross_layer=False), torch.zeros(prompt.d_model, dtype=torch.float64)
    wrong = [
        lambda: logits(prompt, [10**6], position=-1),
        lambda: logits(prompt, [3], position=99),
        lambda: logit_difference(prompt, 3, 3, position=-1),
        lambda: feature_target(planted, FeatureAt(0, 10**6, 2)),
        lambda: feature_target(planted, FeatureAt(99, 0, 2)),
        lambda: probe_target(prompt, direction, SiteId.parse("blocks.0.q"), direction, position=0),
        lambda: probe_target(prompt, direction[1:], SiteId.parse("final_in"), direction, position=0),
        lambda: probe_target(prompt, direction / 0, SiteId.parse("final_in"), direction, position=0),
    ]
    for make in wrong:
        with pytest.raises(TargetError):
            make()


def test_an_mlp_does_not_see_the_attention_beside_it() -> None:
    """In a parallel layer, attention biases and earlier tokens reach a feature through lower layers only."""
    for parallel in (True, False):
        model = wrap(tiny("gpt_neox", dtype=torch.float64, n_layers=3, use_parallel_residual=parallel))
        prompt = model.record(IDS)
        planted = plant(prompt, 8, cross_layer=True)
        maker = RowMaker(prompt=prompt, replacement=planted)
        read = planted.read(torch.tensor([planted.active.at(0, 4).start]))
        aim = Aim("mlp_in", 0, torch.tensor([4]), read.vectors, read.constant)
        row = next(maker.rows(aim))[1].leaves[0]
        assert (float(row[maker.leaves.tokens][:4].abs().max()) == 0) == parallel
        assert (float(row[maker.leaves.attn_biases].abs().max()) == 0) == parallel
        assert float(row[maker.leaves.tokens][4]) != 0
        direction = torch.ones(model.d_model, dtype=torch.float64)
        if parallel:
            with pytest.raises(TargetError, match="parallel"):
                probe_target(prompt, direction, SiteId.parse("blocks.1.resid_mid"), direction, position=0)


def test_rows_are_independent_of_their_batch(prompt: FrozenPrompt) -> None:
    maker = RowMaker(prompt=prompt, replacement=plant(prompt, 8, cross_layer=True))
    active = maker.replacement.active
    some = (active.layer == 2).nonzero()[::3, 0]
    read = maker.replacement.read(some)
    positions = active.position[some]
    together = maker._block(Aim("mlp_in", 2, positions, read.vectors, read.constant), slice(0, len(some)))
    assert len(positions.unique()) > 2, "rows of several positions went through one sweep"
    whole = together.dense(len(active))
    for i in range(len(some)):
        one = slice(i, i + 1)
        alone = maker._block(Aim("mlp_in", 2, positions, read.vectors, read.constant), one)
        torch.testing.assert_close(alone.dense(len(active))[0], whole[i], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("block_bytes", "small_product"), [(1, 0), (10**5, 0), (10**5, 10**9), (10**9, 10**9)])
def test_chunks_are_a_partition(
    prompt: FrozenPrompt, monkeypatch: pytest.MonkeyPatch, block_bytes: int, small_product: int
) -> None:
    maker = RowMaker(prompt=prompt, replacement=plant(prompt, 8, cross_layer=True))
    monkeypatch.setattr(row_module, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(row_module, "_SMALL_PRODUCT", small_product)
    positions = torch.tensor([1, 1, 1, 2, 4, 4, 6])
    chunks = maker.chunks(2, positions)
    assert [i for chunk in chunks for i in range(chunk.start, chunk.stop)] == list(range(7))
    if block_bytes == 1:
        assert len(chunks) == 7
    if small_product == 0:
        assert all(len(positions[chunk].unique()) == 1 for chunk in chunks)
    if block_bytes == small_product:
        assert len(chunks) == 1
    assert maker.chunks(2, positions[:0]) == []


def test_causal_cone_is_all_there_is(prompt: FrozenPrompt) -> None:
    """A feature never receives from its own layer, a later layer or a later position."""
    planted = plant(prompt, 12, cross_layer=True)
    graph = trace(prompt, planted, logits(prompt, [3], position=-1))
    nodes, features = graph.nodes, graph.layout.features
    matrix = graph.adjacency[features, features].toarray()
    layer, position = nodes.layer[features], nodes.position[features]
    for target, source in itertools.product(range(0, features.stop, 7), range(0, features.stop, 5)):
        if layer[source] >= layer[target] or position[source] > position[target]:
            assert matrix[target, source] == 0
