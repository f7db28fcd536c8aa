"""Path patching on models whose paths are known, and what must hold of any: sums, and nothing upstream."""

import itertools

import numpy as np
import pytest
import torch

from gearscope.evaluation.edge_figures import counted
from gearscope.evaluation.edges import believed
from gearscope.evaluation.path_patching import HELD, Grid, PathEffects, path_effects
from gearscope.ids import SiteId
from gearscope.models.hooks import Frozen
from gearscope.models.model import Model, wrap
from gearscope.models.sites import Edit
from tests.attribution.test_compiled import trace
from tests.oracles.compiled import EQUALS, Compiled, N, compile_gpt2, compile_llama
from tests.oracles.tiny_models import tiny


def numbers(grid: Grid, edges: set[tuple[str, str]]) -> np.ndarray:
    """The compiled edges, by node ids (target, source), on the grid."""
    found = np.zeros((grid.senders, grid.receivers), dtype=bool)
    for target, source in edges:
        layer, index, position = source.replace("E_", "-1_").split("_")
        if (layer, index) == ("-1", str(EQUALS)):
            continue  # the same in every prompt
        sender = grid.sender(int(layer), int(position))
        layer, _, position = target.split("_")
        final = int(layer) > grid.n_layers
        found[sender, -1 if final else grid.receiver(int(layer), int(position))] = True
    return found


def differ(compiled: Compiled, base: tuple[int, int], source: tuple[int, int]) -> bool:
    """Whether every operand that matters changes the answer alone."""
    table = compiled.table
    others = [(source[0], base[1]), (base[0], source[1]), source]
    others = others if compiled.program == "table" else others[:1]
    return all(table[other] != table[base] for other in others)


@pytest.mark.parametrize("compiler", [compile_gpt2, compile_llama])
@pytest.mark.parametrize("program", ["table", "hops"])
@pytest.mark.parametrize("held", HELD)
def test_paths_of_a_compiled_model_are_its_circuit_and_its_graph(compiler, program, held) -> None:
    compiled = compiler(program, 0)
    model, tried = wrap(compiled.model), 0
    for base, source in itertools.product(itertools.product(range(N), range(N)), repeat=2):
        if tried == 3 or base[0] == source[0] or base[1] == source[1] or not differ(compiled, base, source):
            continue
        tried += 1
        records = [model.record(compiled.prompt(*some)) for some in (base, source)]
        paths = path_effects(model, *records, (compiled.answer(*base), compiled.answer(*source)), held)
        true = np.abs(paths.effect / paths.total) >= 0.02
        assert (true == numbers(paths.grid, compiled.truth(*base))).all()
        graph = believed(trace(compiled, *base), paths.grid)
        for edges in (graph.kept, graph.share >= 0.02):
            assert counted(edges[paths.reached], true[paths.reached]).f1 == 1.0
    assert tried == 3


@pytest.fixture(scope="module", params=["gpt2", "mistral", "gemma2"])
def random_model(request) -> Model:
    return wrap(tiny(request.param).double())


def paths_of(model: Model, held) -> tuple[PathEffects, list]:
    records = [model.record(torch.tensor(ids)) for ids in ((0, 5, 3, 7, 2), (0, 5, 9, 4, 2))]
    return path_effects(model, *records, (3, 8), held), records


def test_edges_into_a_linear_receiver_sum_to_its_change(random_model: Model) -> None:
    paths, (base, source) = paths_of(random_model, "attention and norms")
    edits = [Edit(site=SiteId(None, "embed"), value=source.token_embed)]
    edits += [Edit(site=SiteId(i, "mlp_out"), value=block.mlp_written()) for i, block in enumerate(source.blocks)]
    logits = random_model.run(base.token_ids, edits=edits, freeze=Frozen(record=base)).logits[-1]
    wanted = (logits[3] - logits[8]) - (base.logits[-1, 3] - base.logits[-1, 8])
    if random_model.anatomy.hf.config.model_type == "gemma2":
        pytest.skip("a soft cap behind the unembedding is not linear")
    assert float(paths.effect[:, -1].sum()) == pytest.approx(float(wanted), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("held", HELD)
def test_nothing_goes_up_or_back_and_what_is_the_same_sends_nothing(random_model: Model, held) -> None:
    paths, (base, _) = paths_of(random_model, held)
    sender, receiver = np.indices(paths.effect.shape)
    P = base.n_positions
    layer, position = sender // P - 1, sender % P
    answer = receiver == paths.grid.receivers - 1
    possible = answer | ((receiver // P > layer) & (receiver % P >= position))
    assert not (paths.reached & ~possible).any()
    assert not paths.reached[position < 2].any()
    assert (paths.effect[~paths.reached] == 0).mean() > 0.9
    assert paths.total == pytest.approx(paths_of(random_model, "nothing")[0].total)


def test_a_path_is_the_model_run_twice_by_hand(random_model: Model) -> None:
    """Live, sender MLP 0 at position 3, receiver the last MLP at the last position."""
    paths, (base, source) = paths_of(random_model, "nothing")
    last = random_model.n_layers - 1
    held = Frozen(record=base, patterns=False, norms=False, mlp_layers=range(last))
    written = source.blocks[0].mlp_written()[3]
    first = [Edit(site=SiteId(0, "mlp_out"), value=written, positions=[3])]
    read = random_model.run(base.token_ids, read=[f"blocks.{last}.mlp_in"], edits=first, freeze=held)
    second = [Edit(site=SiteId(last, "mlp_in"), value=read.sites[f"blocks.{last}.mlp_in"][-1], positions=[4])]
    logits = random_model.run(base.token_ids, edits=second).logits[-1]
    wanted = (logits[3] - logits[8]) - (base.logits[-1, 3] - base.logits[-1, 8])
    grid = paths.grid
    found = paths.effect[grid.sender(0, 3), grid.receiver(last, 4)]
    assert found == pytest.approx(float(wanted), rel=1e-3, abs=1e-6)
