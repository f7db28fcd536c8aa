"""QK attribution against the papers' formulas, HuggingFace's own attention, and all pairs spelled out."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.attribution.qk import attribute_score, end_rows, score_sums, scores_of, strongest
from gearscope.attribution.rows import RowMaker
from gearscope.errors import TargetError
from gearscope.graph.nodes import Nodes
from gearscope.graph.qk import CONSTANTS, EMBEDDING, Place, Question
from gearscope.ids import SiteId
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from gearscope.replacement.coded import coded_replacement
from gearscope.replacement.neurons import neuron_replacement
from gearscope.replacement.sae import sae_replacement
from tests.oracles.planted_basis import plant
from tests.oracles.planted_dictionaries import Plan, plant_saes, plant_set
from tests.oracles.score_pairs import PairScores
from tests.oracles.tiny_models import CASES, FAMILIES, case, prompt, tiny

IDS = torch.tensor([0, 5, 9, 3, 7, 8, 4])
LAYER, QUERY, KEY = 2, 6, 4


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_what_sources_make_of_the_models_own_queries_and_keys(family: str) -> None:
    """Each source is written once more into the frozen model; what the attention then reads goes through the papers'
    formulas for queries and keys."""
    hf = tiny(family, dtype=torch.float64, n_layers=3, **({} if family == "gpt2" else {"heads": "grouped"}))
    model = wrap(hf)
    record = model.record(IDS)
    basis = plant(record, 12, cross_layer=False)
    maker, scores = RowMaker(prompt=record, replacement=basis), scores_of(record, LAYER)
    site = SiteId(LAYER, "attn_in")

    def read(edits: list[Edit]) -> torch.Tensor:
        with torch.no_grad():
            return model.run(IDS, read=[site], edits=edits, freeze=Frozen(record=record)).sites[str(site)]

    base, parts = read([]), {}
    for position in (2, KEY, QUERY):
        token = Edit(site=SiteId(None, "embed"), value=record.token_embed[position], mode="add", positions=[position])
        parts[maker.leaves.tokens.start + position] = read([token]) - base
        for layer in range(2):
            post = record.blocks[layer].mlp_post_norm
            number = int(basis.active.at(layer, position).start)
            feature = float(basis.active.activation[number]) * basis.W_dec[layer, layer][basis.active.index[number]]
            error = basis.error[layer, position]
            numbers = maker.leaves.size + number, layer * len(IDS) + position
            for source, vector in zip(numbers, (feature, error), strict=True):
                vector = vector if post is None else vector * post.weight * post.scale[position]
                added = Edit(site=SiteId(layer, "mlp_out"), value=vector, mode="add", positions=[position])
                parts[source] = read([added]) - base
    oracle, found_any = PairScores(hf, LAYER, base), 0.0
    for head in (0, 3):
        query_map, (key_map,) = scores.ends(head, QUERY, [KEY])
        query, key = end_rows(maker, LAYER, QUERY, query_map), end_rows(maker, LAYER, KEY, key_map)
        assert float(query.total() @ key.total()) * scores.scale == pytest.approx(oracle.score(head, QUERY, KEY))
        column = [dict(zip(end.sources.tolist(), end.parts.T, strict=True)) for end in (query, key)]
        nothing = torch.zeros(len(query.parts), dtype=torch.float64)
        for (i, of_query), (j, of_key) in itertools.product(parts.items(), parts.items()):
            expected = oracle.pair(head, QUERY, KEY, of_query, of_key)
            found = float(column[0].get(i, nothing) @ column[1].get(j, nothing)) * scores.scale
            assert found == pytest.approx(expected, abs=1e-9)
            found_any = max(found_any, abs(found))
    assert found_any > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_differences_are_those_of_huggingfaces_own_attention(name: str) -> None:
    """The softmax knows scores up to one number per query: log a_k − log a_k' is their difference."""
    hf = case(name, n_layers=3)
    model, ids = wrap(hf), prompt()
    hf.set_attn_implementation("eager")
    with torch.no_grad():
        patterns = hf(ids[None], output_attentions=True).attentions
    record = model.record(ids)
    basis = neuron_replacement(record, [model.neurons(layer) for layer in range(3)], None)
    for layer, head, (key, against) in ((0, 1, (8, 7)), (1, 2, (6, 8)), (2, 3, (7, 6))):
        found = attribute_score(record, basis, Question(layer, head, 8, key, against))
        one, other = (float(patterns[layer][0, head, 8, k]) for k in (key, against))
        alone = [attribute_score(record, basis, Question(layer, head, 8, k)).total for k in (key, against)]
        cap = getattr(hf.config, "attn_logit_softcapping", None)
        capped = [s if cap is None else cap * float(torch.tanh(torch.tensor(s / cap))) for s in alone]
        assert capped[0] - capped[1] == pytest.approx(float(torch.tensor(one / other).log()), abs=2e-4)
        assert found.total == pytest.approx(alone[0] - alone[1], abs=1e-4)
        assert found.softcap == cap
        assert found.error < 1e-4


def bases(model: Model, record) -> list:
    mlps = [model.neurons(layer) for layer in range(3)]
    streams = ("blocks.0.resid_post", "blocks.1.resid_post")
    return [
        neuron_replacement(record, mlps, None),
        coded_replacement(record, plant_set(Plan(skip=True), 3, model.d_model)[0]),
        coded_replacement(record, plant_set(Plan(cross_layer=True, skip=True), 3, model.d_model)[0]),
        sae_replacement(record, plant_saes(("blocks.0.mlp_out",), model.d_model), mlps),
        sae_replacement(record, plant_saes(streams, model.d_model), mlps),
    ]


def place(nodes: Nodes, node: int) -> Place:
    if nodes.kind[node] in ("first", "bias"):
        return Place(CONSTANTS, -1)
    return Place(
        int(nodes.layer[node]) if nodes.kind[node] in ("feature", "error") else EMBEDDING, int(nodes.position[node])
    )


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "qwen3"])
def test_the_pairs_sum_to_the_score_in_every_basis(family: str) -> None:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3))
    record = model.record(IDS)
    kinds: set[str] = set()
    for basis in bases(model, record):
        found = attribute_score(record, basis, Question(2, 1, 6, 3, 2), most=10**6)
        assert found.error < 1e-9
        assert sum(pair.value for pair in found.pairs) == pytest.approx(found.score)
        assert len(found.pairs) == found.n_pairs
        assert found.explained == pytest.approx(1.0)
        together: Counter[tuple[Place, Place]] = Counter()
        for query, key, value in found.pairs:
            together[place(found.nodes, query), place(found.nodes, key)] += value
        assert {(q, k): pytest.approx(value, abs=1e-9) for q, k, value in found.places} == together
        for side, end in ((found.query_side, 0), (found.key_side, 1)):
            assert sum(value for _, value in side) == pytest.approx(found.score)
            for node, value in side[:5]:
                own = (pair.value for pair in found.pairs if pair[end] == node)
                assert sum(own) == pytest.approx(value, abs=1e-9)
        kinds |= set(found.nodes.kind.tolist())
    expected = {"feature", "error", "token", "first", "bias"}
    assert kinds == expected | ({"position"} if family == "gpt2" else set())


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30)),
    most=st.integers(1, 40),
    seed=st.integers(0, 99),
    block=st.integers(1, 200),
)
def test_the_strongest_pairs_are_the_strongest(shape: tuple[int, int, int], most: int, seed: int, block: int) -> None:
    E, n_query, n_key = shape
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(E, n, generator=generator) ** 3 for n in (n_query, n_key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gearscope.attribution.qk._BLOCK", block)
        found = strongest(query, key, most)
    every = (query.T @ key).flatten()
    expected = every.abs().sort(descending=True).values[:most]
    torch.testing.assert_close(found.value.abs(), expected)
    torch.testing.assert_close(found.value, (query[:, found.query] * key[:, found.key]).sum(0))
    assert len(set(zip(found.query.tolist(), found.key.tolist(), strict=True))) == len(expected)


@pytest.mark.parametrize("name", ["gemma2", "gpt_oss", "mistral-window", "gpt2"])
def test_attention_made_of_all_pairs_is_the_models_own(name: str) -> None:
    """Soft-caps, sinks and windows included."""
    model = wrap(case(name, dtype=torch.float64, n_layers=3))
    record = model.record(IDS)
    basis = neuron_replacement(record, [model.neurons(layer) for layer in range(3)], None)
    for layer, head in ((1, 3), (2, 1)):
        sums = score_sums(record, basis, Question(layer, head, 6, 6), most=10**7)
        own = record.blocks[layer].attn.pattern[head, 6]
        torch.testing.assert_close(sums.attention(own, sums.named), own, rtol=0, atol=1e-9)
        few = score_sums(record, basis, Question(layer, head, 6, 6), most=1)
        other = few.attention(own, few.named)
        assert 0 < float(other.sum()) <= 1 + 1e-9
        assert float((other - own).abs().max()) > 1e-6
        assert not bool(other[own == 0].any()), "what is hidden stays hidden"


MISTAKES = [
    (Question(3, 0, 6, 4), "a head from 0.0 to 2.3"),
    (Question(0, 4, 6, 4), "found 0.4"),
    (Question(-1, 0, 6, 4), "found -1.0"),
    (Question(1, 0, 7, 4), "a position from 0 to 6 was expected as query"),
    (Question(1, 0, 6, -8), "expected as key"),
    (Question(1, 0, 6, 4, 9), "expected as against"),
    (Question(1, 0, 3, 5), "position 5, after it"),
    (Question(1, 0, 6, 1), "outside its sliding window"),
    (Question(1, 0, 6, 5, 0), "found position 0, outside"),
    (Question(1, 0, 6, 5, -2), "two different keys"),
]


@pytest.mark.parametrize(("question", "message"), MISTAKES)
def test_heads_and_positions_that_do_not_exist(question: Question, message: str) -> None:
    model = wrap(tiny("mistral", n_layers=3))
    record = model.record(IDS)
    basis = neuron_replacement(record, [model.neurons(layer) for layer in range(3)], None)
    with pytest.raises(TargetError, match=message):
        attribute_score(record, basis, question)


def test_positions_may_count_from_the_end() -> None:
    model = wrap(tiny("gpt2", n_layers=3))
    record = model.record(IDS)
    basis = neuron_replacement(record, [model.neurons(layer) for layer in range(3)], None)
    found = attribute_score(record, basis, Question(1, 0, -1, -3, -2))
    assert found.question == Question(1, 0, 6, 4, 5)
