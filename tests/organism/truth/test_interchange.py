"""Swaps against a dumb loop of forward hooks, and maps against transformers whose circuit was written by hand."""

from itertools import product

import pytest
import torch

from gearscope.organism.truth.interchange import controls, measure_map, measure_maps, read, swapped
from gearscope.organism.truth.swap import Swap, Variable
from gearscope.organism.world.vocabulary import VOCABULARY
from tests.oracles.compiled import EQUALS, N, compile_llama, left, right
from tests.oracles.tiny_models import VOCABULARY as TOKENS
from tests.oracles.tiny_models import case

LENGTH, PAIRS = 9, 6


def by_hooks(model, base, source, layer, positions):
    """The next token of one pair, through hooks that overwrite what a module gives out."""
    modules = [model.model.embed_tokens, *model.model.layers]
    kept = []

    def keep(_, __, output):
        kept.append(output.clone())

    def overwrite(_, __, output):
        output = output.clone()
        output[:, positions] = kept[0][:, positions]
        return output

    for ids, hook in ((source, keep), (base, overwrite)):
        handle = modules[layer].register_forward_hook(hook)
        logits = model(ids[None], use_cache=False).logits
        handle.remove()
    return int(logits[0, -1].argmax())


@pytest.mark.parametrize("name", ["llama", "llama-grouped-biases", "mistral-window", "mistral-no-window", "gemma3"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_swaps_equal_a_loop_with_hooks_at_every_layer_and_position(name, attention):
    model = case(name, n_layers=3, attn_implementation=attention)
    base, source = torch.randint(2, TOKENS, (2, PAIRS, LENGTH), generator=torch.Generator().manual_seed(3))
    source[:, :2] = base[:, :2]
    runs = read(model, base), read(model, source)
    changed = 0
    sets = [[place] for place in range(LENGTH)] + [[3, 5], list(range(LENGTH))]
    for layer, positions in product(range(4), sets):
        found = swapped(model, *runs, layer, positions).tolist()
        assert found == [by_hooks(model, *pair, layer, positions) for pair in zip(base, source, strict=True)]
        changed += sum(a != b for a, b in zip(found, runs[0].next_ids.tolist(), strict=True))
    assert changed > 20


def test_all_positions_of_the_source_are_the_source():
    model = case("mistral-window", n_layers=3)
    base, source = torch.randint(2, TOKENS, (2, PAIRS, LENGTH), generator=torch.Generator().manual_seed(4))
    runs = read(model, base), read(model, source)
    for layer in range(4):
        assert torch.equal(swapped(model, *runs, layer, range(LENGTH)), runs[1].next_ids)


def test_hooks_are_taken_away_again():
    model = case("llama")
    read(model, torch.arange(5)[None])
    assert not any(module._forward_pre_hooks for module in model.modules())


def word(token):
    return VOCABULARY[token]


def compiled_variable(compiled, *, same_second=True):
    """Base and source differ in the first operand (and the second), and in the answer."""
    found = []
    for a, b, c, d in product(range(N), repeat=4):
        answers = compiled.answer(a, b), compiled.answer(c, d)
        if answers[0] != answers[1] and a != c and (b == d) == same_second:
            base, source = ((word(left(i)), word(right(j)), word(EQUALS)) for i, j in ((a, b), (c, d)))
            found.append(Swap(base, source, *(frozenset({word(answer)}) for answer in answers)))
    return Variable(
        phenomenon="compiled", name="answer", roles=("a", "b", "="), swaps=lambda: found[:60], intended=("a",)
    )


def test_the_map_of_two_hops_is_the_circuit_that_was_compiled():
    """The group is written at a by layer 0 and read by a head of layer 1: it stands at a, then at the end."""
    table = measure_map(compile_llama("hops", seed=1).model.double(), compiled_variable(compile_llama("hops", seed=1)))
    assert table.counted == table.asked == 60
    assert table.first == 0
    assert table.moved == ((60, 0, 0), (60, 0, 0), (0, 0, 60))
    assert table.kept == ((0, 60, 60), (0, 60, 60), (60, 60, 0))
    assert table.whole == (60, 60, 60)


def test_the_map_of_a_table_of_pairs_is_the_circuit_that_was_compiled():
    """Both operands are copied to the end by layer 0, so one of them alone brings no answer of the other pair."""
    compiled = compile_llama("table", seed=2)
    alone = measure_map(compiled.model.double(), compiled_variable(compiled))
    assert [row[0] for row in alone.moved] == [60, 0, 0]
    assert [row[2] for row in alone.moved] == [0, 60, 60]
    both = compiled_variable(compiled, same_second=False)
    moved = measure_map(compiled.model.double(), both).moved
    mixed = [compiled.answer(*index_of(swap.source[0], swap.base[1])) for swap in both.swaps()]
    assert moved[0][0] == sum(word(m) in swap.moved for m, swap in zip(mixed, both.swaps(), strict=True)) < 60
    assert [row[2] for row in moved] == [0, 60, 60]


def index_of(first, second):
    return VOCABULARY.index(first) - left(0), VOCABULARY.index(second) - right(0)


def test_only_pairs_that_the_model_continues_rightly_on_both_sides_count():
    compiled = compile_llama("hops", seed=1)
    good = compiled_variable(compiled)
    wrong = frozenset({"not a word"})

    def spoiled():
        for number, swap in enumerate(good.swaps()):
            yield swap._replace(kept=wrong) if number < 10 else swap._replace(own=wrong) if number < 15 else swap

    table = measure_map(
        compiled.model.double(),
        Variable(phenomenon="c", name="v", roles=good.roles, swaps=lambda: list(spoiled()), intended=()),
    )
    assert (table.asked, table.base_right, table.source_right, table.counted) == (60, 50, 55, 45)
    assert table.moved[0][0] == 45


def test_a_model_that_is_never_right_has_an_empty_map():
    compiled = compile_llama("hops", seed=1)
    swaps = [swap._replace(kept=frozenset({"no"})) for swap in compiled_variable(compiled).swaps()]
    table = measure_map(
        compiled.model.double(),
        Variable(phenomenon="c", name="v", roles=("a", "b", "="), swaps=lambda: swaps, intended=()),
    )
    assert table.counted == table.controlled == 0
    assert table.moved == table.kept == table.control == ((0, 0, 0),) * 3


def test_controls_lack_the_value_of_the_source_and_move_nothing_in_a_known_circuit():
    compiled = compile_llama("hops", seed=1)
    variable = compiled_variable(compiled)
    chosen = controls(variable, list(variable.swaps()))
    assert len(chosen) == 50
    for swap, words in chosen:
        answer = word(compiled.answer(*index_of(words[0], words[1])))
        assert words[0] != swap.source[0]
        assert answer not in swap.moved
        assert words != swap.base
    table = measure_map(compiled.model.double(), variable)
    assert table.controlled == 50
    assert not any(count for row in table.control for count in row)


def test_maps_come_in_order_and_are_the_same_again():
    compiled = compile_llama("hops", seed=1)
    model, variable, seen = compiled.model.double(), compiled_variable(compiled), []
    tables = measure_maps(model, [variable, variable], progress=seen.append)
    assert tables == tuple(seen)
    assert tables[0] == tables[1] == measure_map(model, variable)
