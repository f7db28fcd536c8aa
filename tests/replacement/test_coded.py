"""The coded basis against dense arithmetic: what it writes, its biases, skips and errors make the MLP output."""

import pytest
import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import DictionaryError
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.replacement.coded import Coded, coded_replacement
from gearscope.replacement.replacement import Replacement
from tests.oracles.planted_dictionaries import Plain, Plan, plant_set
from tests.oracles.tiny_models import tiny

IDS = torch.tensor([0, 5, 9, 3, 7])
PLANS = {
    "plt": Plan(),
    "skip": Plan(skip=True),
    "clt": Plan(cross_layer=True, skip=True),
    "before the gain": Plan(skip=True, read_form="before_gain"),
    "residual": Plan(skip=True, read="resid_mid"),
    "topk behind the post-norm": Plan(activation="topk", k=5, write_form="site"),
}


@pytest.fixture(scope="module", params=["gpt2", "llama", "mistral", "gemma2"])
def case(request: pytest.FixtureRequest) -> tuple[Model, FrozenPrompt]:
    model = wrap(tiny(request.param, dtype=torch.float64, n_layers=3))
    return model, model.record(IDS)


def inputs(case: tuple[Model, FrozenPrompt], plan: Plan) -> list[Tensor]:
    """What the dictionaries read, from the model itself, run with the record's norms."""
    model, prompt = case
    read = model.run(
        IDS, read=[f"blocks.{layer}.{plan.read}" for layer in range(3)], freeze=Frozen(record=prompt)
    ).sites
    found = [read[f"blocks.{layer}.{plan.read}"] for layer in range(3)]
    if plan.read_form == "site":
        return found
    norms = [block.mlp_norm for block in prompt.blocks]
    return [(x - (0 if n.bias is None else n.bias)) / n.weight for x, n in zip(found, norms, strict=True)]


def outputs(case: tuple[Model, FrozenPrompt], plan: Plan) -> list[Tensor]:
    model, prompt = case
    if plan.write_form == "before_post_norm":
        return [block.mlp_out for block in prompt.blocks]
    read = model.run(IDS, read=[f"blocks.{layer}.mlp_out" for layer in range(3)], freeze=Frozen(record=prompt)).sites
    return list(read.values())


def rewrite(case: tuple[Model, FrozenPrompt], name: str) -> tuple[Coded, DictionarySet, Plain]:
    dictionaries, plain = plant_set(PLANS[name], 3, case[0].d_model)
    return coded_replacement(case[1], dictionaries), dictionaries, plain


@pytest.mark.parametrize("name", PLANS)
def test_activations_and_errors_are_the_definition(case, name: str) -> None:
    coded, _, plain = rewrite(case, name)
    x, y, first = inputs(case, PLANS[name]), outputs(case, PLANS[name]), case[1].n_constant_positions
    acts = [plain.activations(layer, x[layer]) for layer in range(3)]
    for layer in range(3):
        total = plain.b_dec[layer] + sum(acts[s] @ plain.W_dec[s, t] for s, t in plain.W_dec if t == layer)
        if plain.W_skip is not None:
            total = total + x[layer] @ plain.W_skip[layer].T
        torch.testing.assert_close(coded.error[layer, first:], (y[layer] - total)[first:], rtol=1e-6, atol=1e-7)
        assert not coded.error[layer, :first].any()
        for position in range(len(IDS)):
            here = coded.active.at(layer, position)
            expected = acts[layer][position] if position >= first else torch.zeros_like(acts[layer][position])
            found = torch.zeros_like(expected)
            found[coded.active.index[here]] = coded.active.activation[here]
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", PLANS)
def test_writes_biases_skips_and_errors_make_the_output(case, name: str) -> None:
    coded, y = rewrite(case, name)[0], outputs(case, PLANS[name])
    assert isinstance(coded, Replacement)
    for layer in range(3):
        skip = coded.way(layer)
        for position in range(1, len(IDS)):
            total = coded.bias[layer] + coded.error[layer, position]
            total = total if skip is None else total + skip.written[position]
            for write in coded.writes(layer, position):
                total = total + write.activation @ write.vectors
            torch.testing.assert_close(total, y[layer][position], rtol=1e-6, atol=1e-7)


def test_values_are_what_is_read(case) -> None:
    coded = rewrite(case, "clt")[0]
    for layer in range(3):
        for position in range(1, len(IDS)):
            here = coded.active.at(layer, position)
            numbers = torch.arange(here.start, here.stop)
            read = coded.read(numbers)
            found = read.vectors @ case[1].blocks[layer].mlp_in[position] + read.constant
            torch.testing.assert_close(found, coded.active.value[here])


def test_taking_features_keeps_their_weights(case) -> None:
    coded = rewrite(case, "clt")[0]
    chosen = torch.arange(1, len(coded.active), 3)
    some = coded.take(chosen)
    assert torch.equal(some.active.activation, coded.active.activation[chosen])
    for layer in range(3):
        for position in range(1, len(IDS)):
            whole = {int(n): v for w in coded.writes(layer, position) for n, v in numbered(coded, w)}
            here = {int(chosen[i]): v for w in some.writes(layer, position) for i, v in numbered(some, w)}
            assert here.keys() == whole.keys() & set(chosen.tolist())
            assert all(torch.equal(vector, whole[number]) for number, vector in here.items())
    for i, number in enumerate(chosen.tolist()):
        assert torch.equal(some.read(torch.tensor([i])).vectors, coded.read(torch.tensor([number])).vectors)


def numbered(coded, write):
    """The number of each feature that writes, and its vector."""
    return zip(coded.active.by_column[write.columns], write.vectors, strict=True)


@pytest.mark.parametrize("name", ["plt", "clt"])
def test_all_that_writes_to_one_place_is_one_matrix(case, name: str) -> None:
    coded = rewrite(case, name)[0]
    for layer in range(3):
        for position in range(1, len(IDS)):
            (write,) = coded.writes(layer, position)
            sources = range(layer + 1) if name == "clt" else [layer]
            expected = [n for s in sources for n in range(*coded.active.at(s, position).indices(len(coded.active)))]
            assert coded.active.by_column[write.columns].tolist() == expected


def test_nothing_active_is_all_error(case) -> None:
    dictionaries, plain = plant_set(Plan(), 3, case[0].d_model)
    plain.threshold.fill_(1e9)
    dictionaries = DictionarySet(
        dictionaries=tuple(type(d)(**{**vars(d), "threshold": plain.threshold[0]}) for d in dictionaries.dictionaries)
    )
    coded = coded_replacement(case[1], dictionaries)
    assert len(coded.active) == 0
    torch.testing.assert_close(coded.error[2, 3], case[1].blocks[2].mlp_out[3] - plain.b_dec[2])


def test_a_model_that_does_not_fit(case) -> None:
    with pytest.raises(DictionaryError, match=r"3 layers and width 16.*2 of width 16"):
        coded_replacement(case[1], plant_set(Plan(), 2, 16)[0])
    with pytest.raises(DictionaryError, match=r"3 layers and width 16.*3 of width 8"):
        coded_replacement(case[1], plant_set(Plan(), 3, 8)[0])
