"""Attribution of single neurons beside activation patching, on pairs of prompts of the bundled model.

Two prompts of one length differ in a hidden variable (`organism/truth`). For a neuron n at (layer, position), with the
metric m = logit(the source's answer) − logit(the base's answer):

    patching      m(base with the neuron's activation of the source) − m(base)          by running the model
    attribution   (f_source − f_base) · ∂m/∂f                                            ∂ by one of two rules:

    graph      what graphs are made of: attention patterns and norm scales frozen, each gated neuron by the half rule
               (RelP, Jafari et al. 2025), through all later MLPs
    tangent    the derivative of the model with attention patterns held: norms and neurons by their own slopes

Neurons are drawn at random from all that differ between the two prompts. The figure is Pearson's correlation over a
pair's neurons; the control exchanges attributions among them. Knows nothing about dictionaries.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.attribution.expand import Progress
from gearscope.evaluation.proof_report import PatchingRow
from gearscope.ids import SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.hooks import Frozen
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.models.model import Model
from gearscope.models.sites import Edit
from gearscope.organism.truth.registry import variable_named
from gearscope.organism.truth.swap import Swap
from gearscope.organism.world.vocabulary import ids_of
from gearscope.replacement.linear_mlp import LinearMlp
from gearscope.workbench import Workbench

VARIABLES = ("addition/ones_sum", "two_hops/state", "names/known", "rhyme/rhyme")
PAIRS = 6
"""Of each variable."""
_ROWS = 256
Held = Literal["nothing", "attention and norms"]
HELD: tuple[Held, ...] = ("nothing", "attention and norms")
Rule = Literal["graph", "tangent"]
RULES: tuple[Rule, ...] = ("graph", "tangent")


class _Pair(NamedTuple):
    """One pair's neurons: attributions by rule, effects by what was held."""

    attribution: dict[Rule, Float[np.ndarray, " K"]]
    effect: dict[Held, Float[np.ndarray, " K"]]


def measure_patching(
    bench: Workbench,
    *,
    pairs: int = PAIRS,
    neurons: int = 1500,
    seed: int = 0,
    variables: Sequence[str] = VARIABLES,
    progress: Progress | None = None,
) -> tuple[PatchingRow, ...]:
    """Rows for each variable and for all. Raises ConfigError for an unknown variable."""
    found: dict[str, list[_Pair]] = {}
    for title in variables:
        rng = Random(f"patching {title} {seed}")
        swaps = list(variable_named(title).swaps())
        for swap in rng.sample(swaps, len(swaps)):
            made = patched(bench.model, swap, neurons, rng.randrange(2**31))
            if made is not None:
                found.setdefault(title, []).append(made)
            if progress is not None:
                progress(f"pairs patched, {title}", len(found.get(title, [])))
            if len(found.get(title, [])) == pairs:
                break
    groups = [*found.items(), ("all", [pair for some in found.values() for pair in some])]
    return tuple(_row(title, some, rule, held, seed) for title, some in groups for rule in RULES for held in HELD)


def patched(model: Model, swap: Swap, neurons: int, seed: int) -> _Pair | None:
    """One pair; None where the model answers both prompts alike."""
    ids = [torch.tensor(ids_of(words)) for words in (swap.base, swap.source)]
    base, source = (model.record(some) for some in ids)
    answers = int(source.logits[-1].argmax()), int(base.logits[-1].argmax())
    if answers[0] == answers[1]:
        return None
    mlps = [model.neurons(layer) for layer in range(model.n_layers)]
    there, here = (_activations(prompt, mlps) for prompt in (source, base))
    places = (there != here).nonzero()
    chosen = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))[:neurons]]
    moved = (there - here)[tuple(chosen.T)]
    slopes = {"graph": graph_slopes(base, mlps, answers), "tangent": tangent_slopes(model, base, answers)}
    held: dict[Held, Frozen | None] = {"nothing": None, "attention and norms": Frozen(record=base, mlp_layers=())}
    return _Pair(
        attribution={rule: _numbers(moved * slopes[rule][tuple(chosen.T)]) for rule in RULES},
        effect={name: _numbers(_effects(model, base, there, chosen, answers, held[name])) for name in HELD},
    )


def _numbers(x: Tensor) -> np.ndarray:
    return x.detach().double().cpu().numpy()


def _activations(prompt: FrozenPrompt, mlps: Sequence[MlpWeights | ExpertWeights]) -> Float[Tensor, "L P F"]:
    found = []
    for block, mlp in zip(prompt.blocks, mlps, strict=True):
        assert isinstance(mlp, MlpWeights), "the bundled model's MLPs are dense"
        found.append(mlp.activations(block.mlp_in))
    return torch.stack(found)


def graph_slopes(
    prompt: FrozenPrompt, mlps: Sequence[MlpWeights | ExpertWeights], answers: tuple[int, int]
) -> Float[Tensor, "L P F"]:
    """∂m/∂f of every neuron as graphs see it: one adjoint sweep through every later MLP's frozen linear map."""
    last = prompt.n_positions - 1
    read = prompt.W_U[answers[0]] - prompt.W_U[answers[1]]
    g = prompt.W_U.new_zeros(prompt.n_positions, 1, prompt.d_model)
    g[last] = prompt.final_norm.adjoint_at(read[None], torch.tensor([last]))
    found = []
    for block, mlp in reversed(list(zip(prompt.blocks, mlps, strict=True))):
        assert isinstance(mlp, MlpWeights), "the bundled model's MLPs are dense"
        found.append(g[:, 0] @ mlp.W_out.T)
        g = g + block.mlp_norm.adjoint(LinearMlp(mlp, block, prompt.n_constant_positions).adjoint(g))
        block.add_attn_adjoint(g.clone(), g)
    return torch.stack(found[::-1])


def tangent_slopes(model: Model, prompt: FrozenPrompt, answers: tuple[int, int]) -> Float[Tensor, "L P F"]:
    """∂m/∂f of every neuron, attention patterns held."""
    widths = [model.neurons(layer).n_neurons for layer in range(model.n_layers)]
    with torch.inference_mode(False):
        added = [torch.zeros(1, prompt.n_positions, width, requires_grad=True) for width in widths]
        edits = [
            Edit(site=SiteId(layer, "mlp_act"), value=partial(torch.add, other=more))
            for layer, more in enumerate(added)
        ]
        freeze = Frozen(record=prompt, norms=False, mlp_layers=())
        logits = model.run(prompt.token_ids[None], edits=edits, freeze=freeze, differentiable=True).logits[0, -1]
        grads = torch.autograd.grad(logits[answers[0]] - logits[answers[1]], added)
    return torch.stack([grad[0] for grad in grads])


def _effects(
    model: Model,
    base: FrozenPrompt,
    there: Float[Tensor, "L P F"],
    chosen: Int[Tensor, "K 3"],
    answers: tuple[int, int],
    freeze: Frozen | None,
) -> Float[Tensor, " K"]:
    """m with each chosen neuron at its other activation, less m without."""
    found = []
    plain = model.run(base.token_ids, freeze=freeze).logits[-1]
    for rows in chosen.split(_ROWS):
        edits = [
            Edit(site=SiteId(layer, "mlp_act"), value=_setter(rows, rows[:, 0] == layer, there[layer]))
            for layer in rows[:, 0].unique().tolist()
        ]
        ids = base.token_ids.expand(len(rows), -1)
        logits = model.run(ids, edits=edits, freeze=freeze).logits[:, -1]
        found.append(logits[:, answers[0]] - logits[:, answers[1]])
    return torch.cat(found) - (plain[answers[0]] - plain[answers[1]])


def _setter(
    rows: Int[Tensor, "B 3"], mine: Bool[Tensor, " B"], there: Float[Tensor, "P F"]
) -> Callable[[Tensor], Tensor]:
    """Sets one neuron in each row of the batch that is of this layer."""
    number = mine.nonzero()[:, 0]
    position, neuron = rows[number, 1], rows[number, 2]

    def put(acts: Tensor) -> Tensor:
        acts = acts.clone()
        acts[number, position, neuron] = there[position, neuron]
        return acts

    return put


def _row(title: str, pairs: Sequence[_Pair], rule: Rule, held: Held, seed: int) -> PatchingRow:
    rng = np.random.default_rng(seed)
    columns = [(pair.attribution[rule], pair.effect[held]) for pair in pairs]
    return PatchingRow(
        variable=title,
        attribution=rule,
        held=held,
        pairs=len(pairs),
        neurons=sum(len(x) for x, _ in columns),
        pearson=_mean([pearson(x, y) for x, y in columns]),
        pearson_shuffled=_mean([pearson(rng.permutation(x), y) for x, y in columns]),
    )


def pearson(x: Float[np.ndarray, " K"], y: Float[np.ndarray, " K"]) -> float | None:
    """Correlation; None for fewer than three pairs or where nothing varies."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
