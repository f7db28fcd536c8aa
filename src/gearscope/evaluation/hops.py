"""Whether a circuit goes through the state on the way from a city to what its state is known for, by basis.

    the capital of the state containing dal las is  ->  austin

A basis that rewrites the two steps into one has features for cities, or for answers, and none for the state between.
Features that stand for a state are found on chains of training: at the city's last word and behind it, AUROC of .95 or
more for this state, across its cities and the relations asked for. Then held-out chains are traced:

    through     share of the influence of the city's words on the answer along paths that enter one of these features
    direct      along paths that enter no feature at all; what is left goes through other features
    moved       the answer of another city's state, when the features of both states up to some layer are set to what
                they are for that city: MLP outputs up to there are held but for the edit, and later ones live. Counted
                at the layer up to which most are moved

`through` and `moved` again with random active features of the same layers and positions, equally many. In the twin that
has learnt all chains by heart no state is named: what is found there is the false-positive rate. It knows nothing about
how a basis was made.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from gearscope.errors import ConfigError
from gearscope.evaluation.auroc import areas, mid_ranks
from gearscope.evaluation.report import HopReport
from gearscope.graph.graph import AttributionGraph, Supernode
from gearscope.graph.influence import influence_past
from gearscope.ids import FeatureAt
from gearscope.interventions.edits import NodeEdit
from gearscope.models.model import Model
from gearscope.organism.world.two_hops import CITIES, CITIES_OF, RELATIONS, STATES, write_chain
from gearscope.organism.world.vocabulary import ids_of
from gearscope.workbench import Workbench

STANDS_FOR = 0.95
"""AUROC for a state from which on a feature stands for it."""
_CITY = (7, 8)
"""Positions of the city's words in `<s> the capital of the state containing dal las is`."""
_BEHIND = (8, 9)
"""Where the state may stand: on the second of them, and before the answer."""


class Chain(NamedTuple):
    """A question about a city."""

    city: str
    relation: str

    @property
    def state(self) -> str:
        """The state between."""
        return CITIES[self.city]

    @property
    def ids(self) -> list[int]:
        """The question's tokens."""
        return ids_of(write_chain(*self).prompt)

    @property
    def answer(self) -> str:
        """What the state is known for."""
        return write_chain(*self).target


class Traced(NamedTuple):
    """A chain's circuit, numbers of its nodes, and what goes through them."""

    chain: Chain
    graph: AttributionGraph
    """Without its edges, which interventions do not ask for: those of many neuron graphs are gigabytes."""
    state: Int[np.ndarray, " K"]
    """Features that stand for the chain's state."""
    random: Int[np.ndarray, " K"]
    """As many others, of the same layers and positions where there are so many."""
    through: float
    through_random: float
    direct: float


class _Swap(NamedTuple):
    """A circuit and nodes of it, another chain and nodes of its circuit."""

    graph: AttributionGraph
    ours: Int[np.ndarray, " K"]
    other: Traced
    theirs: Int[np.ndarray, " J"]


def measure_hops(bench: Workbench, *, prompts: int = 60, seed: int = 0) -> HopReport:
    """The report of a bench's model and basis. Raises ConfigError where the model answers none of the chains."""
    rng = Random(f"hops, {seed}")
    asked = [chain for chain in _asked(prompts) if _next_word(bench.model, chain) == chain.answer]
    if not asked:
        raise ConfigError("a model that answers chains of two facts was expected", found=f"none of {prompts} right")
    standing = features_of_states(bench)
    traced = [trace_chain(bench, chain, standing[chain.state], rng) for chain in asked]
    pairs = [(one, other) for one in traced if (other := _other(one, traced)) is not None]
    return HopReport(
        model=bench.name,
        basis=bench.basis,
        prompts=len(traced),
        features=_mean([len(standing[state.name]) for state in STATES]),
        in_graph=_mean([len(one.state) for one in traced]),
        through=_mean([one.through for one in traced]),
        through_random=_mean([one.through_random for one in traced]),
        direct=_mean([one.direct for one in traced]),
        pairs=len(pairs),
        moved=_moved(bench, [_Swap(one.graph, one.state, other, other.state) for one, other in pairs]),
        moved_random=_moved(bench, [_Swap(one.graph, one.random, other, other.random) for one, other in pairs]),
    )


def features_of_states(bench: Workbench) -> dict[str, set[FeatureAt]]:
    """The features that stand for each state, with the positions at which they do, on chains of training."""
    chains = [Chain(city, RELATIONS[i % len(RELATIONS)]) for i, city in enumerate(CITIES_OF["train"] * 2)]
    names, values = _active(bench, chains)
    own = torch.tensor([[chain.state == state.name for state in STATES] for chain in chains])
    area = areas(mid_ranks(values), own)
    told = torch.maximum(area, 1 - area) >= STANDS_FOR
    return {
        state.name: {names[i] for i in row.nonzero()[:, 0].tolist()} for state, row in zip(STATES, told, strict=True)
    }


def share_through(graph: AttributionGraph, group: Int[np.ndarray, " K"]) -> float:
    """Share of the influence of the city's words on the targets along paths that enter a node of the group."""
    tokens = np.arange(graph.layout.tokens.start, graph.layout.tokens.stop)
    city = tokens[np.isin(graph.nodes.position[tokens], _CITY)]
    past, whole = (
        influence_past(graph.nodes, graph.adjacency, graph.rest_abs, some)[city].sum() for some in (group, group[:0])
    )
    return float(1 - past / whole) if whole > 0 else 0.0


def _asked(prompts: int) -> list[Chain]:
    """Held-out chains, every city in turn and the relations as well."""
    cities = CITIES_OF["heldout"]
    every = [Chain(city, RELATIONS[(i + turn) % 5]) for turn in range(len(RELATIONS)) for i, city in enumerate(cities)]
    return every[:prompts]


def _next_word(model: Model, chain: Chain) -> str:
    logits = model.run(torch.tensor([chain.ids])).logits[0, -1]
    return model.token_names()[int(logits.argmax())]


def _active(bench: Workbench, chains: Sequence[Chain]) -> tuple[list[FeatureAt], Float[Tensor, "B F"]]:
    """All features that are active behind the city in any of the chains, and their activations."""
    columns: dict[FeatureAt, int] = {}
    found: list[tuple[int, int, float]] = []
    with torch.inference_mode():
        for row, chain in enumerate(chains):
            active = bench.replace(bench.model.record(torch.tensor(chain.ids))).active
            here = torch.isin(active.position, torch.tensor(_BEHIND))
            places = torch.stack([active.layer, active.index, active.position], 1)[here].tolist()
            for place, value in zip(places, active.activation[here].tolist(), strict=True):
                found.append((row, columns.setdefault(FeatureAt(*place), len(columns)), value))
    values = torch.zeros(len(chains), len(columns))
    rows, own, active_values = zip(*found, strict=True)
    values[list(rows), list(own)] = torch.tensor(active_values)
    return list(columns), values


def trace_chain(bench: Workbench, chain: Chain, standing: set[FeatureAt], rng: Random) -> Traced:
    """One chain's circuit, with what goes through its features among `standing`, and through random others."""
    graph = bench.trace(chain.ids, target=chain.answer, everything=True)
    nodes, by_place = graph.nodes, defaultdict(list)
    state = []
    for node in range(graph.layout.features.start, graph.layout.features.stop):
        place = nodes.place(node)
        if place in standing:
            state.append(node)
        else:
            by_place[place.layer, place.position].append(node)
    random: list[int] = []
    for (layer, position), others in by_place.items():
        wanted = sum((nodes.layer[node], nodes.position[node]) == (layer, position) for node in state)
        random += rng.sample(others, min(wanted, len(others)))
    ours, others = np.array(state, dtype=int), np.array(sorted(random), dtype=int)
    every = np.arange(graph.layout.features.start, graph.layout.features.stop)
    return Traced(
        chain=chain,
        graph=replace(graph, adjacency=csr_array(graph.adjacency.shape, dtype=np.float32)),
        state=ours,
        random=others,
        through=share_through(graph, ours),
        through_random=share_through(graph, others),
        direct=1 - share_through(graph, every),
    )


def _other(one: Traced, traced: Sequence[Traced]) -> Traced | None:
    """The next chain with the same relation and another state, in a circle; None where there is none."""
    start = next(i for i, other in enumerate(traced) if other is one)
    for other in (*traced[start + 1 :], *traced[:start]):
        if other.chain.relation == one.chain.relation and other.chain.state != one.chain.state:
            return other
    return None


def _moved(bench: Workbench, swaps: Sequence[_Swap]) -> float:
    """Share of the swaps that give the other chain's answer, up to the best layer but the last."""
    depths = range(bench.model.n_layers - 1)
    return max(_mean([_moves(bench, swap, depth) for swap in swaps]) for depth in depths)


def _moves(bench: Workbench, swap: _Swap, depth: int) -> float:
    """1 if the answer is the other chain's once our nodes up to a layer are exchanged for theirs, else 0."""
    graph, ours, other, theirs = swap
    base, source = _grouped(graph, ours, depth), _grouped(other.graph, theirs, depth)
    if not (base.supernodes[0].ids and source.supernodes[0].ids):
        return 0.0
    edit = NodeEdit(operation="swap", supernode=_GROUP, other_graph="other", other_supernode=_GROUP)
    done = bench.intervene(base, [edit], freeze_to=depth, controls=0, others={"other": source})
    written = max(done.next_tokens, key=lambda row: row.logit_before + row.measured)
    return float(written.token == other.chain.answer)


_GROUP = "state"


def _grouped(graph: AttributionGraph, group: Int[np.ndarray, " K"], depth: int) -> AttributionGraph:
    own = tuple(graph.nodes.ids[node] for node in group.tolist() if graph.nodes.layer[node] <= depth)
    return replace(graph, supernodes=(Supernode(_GROUP, own),))


def _mean(values: Sequence[int | float]) -> float:
    return sum(values) / max(1, len(values))
