"""Whether automatic supernodes contain the state on the way from a city to what its state is known for, by basis.

    the capital of the state containing dal las is  ->  austin

A prompt is traced and pruned as `gearscope trace` does by default, and grouped as `gearscope group` does. One of its
supernodes *is the state* when it can be exchanged for the state of other texts, whatever they ask for: put in place of
it what lies there in

    chains      6 questions about cities of other states, each asking for another relation
    names       6 texts that name another state (`the river of california is`), asking for another relation

and the answer must become the other state's, for the relation asked here, in at least 4 of 6 of both kinds. The cities
are ones whose state the model knows: it answers whatever is asked of it. A group of answers fails, since other
relations have other answers; a group of cities fails, since names have none. In the twin that has learnt all chains by
heart no text names a state: what is found there is the false-positive rate. The control deals the same features at
random into groups of the same sizes, on every text.

    moved       the supernode with most exchanges that count above, exchanged for that of 2 chains about other states
                that ask for the same relation and did not choose it: share of answers that become the other state's

It knows nothing about how groups are made.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import torch

from gearscope.errors import ConfigError
from gearscope.evaluation.report import StateReport
from gearscope.graph.graph import Supernode
from gearscope.organism.world.document import Document, Split
from gearscope.organism.world.two_hops import (
    CITIES,
    CITIES_OF,
    RELATIONS,
    STATES,
    look_up,
    write_chain,
    write_second_hop,
)
from gearscope.organism.world.vocabulary import ids_of
from gearscope.supernodes.exchange import Grouped, clamped, exchanged
from gearscope.supernodes.result import Grouping, read_grouping
from gearscope.workbench import Workbench

_EACH = 6
"""Texts of either kind."""
_ENOUGH = 4
_OTHERS = 2
"""Chains that ask for the same relation."""
_CITIES = 15
"""Cities whose chains are exchanged with, so that each text is traced once for many prompts."""


class _Text(NamedTuple):
    """A text that a supernode is exchanged with, and the answer that this should give."""

    document: Document
    answer: str


class _Read(NamedTuple):
    """A text, grouped; and the same features dealt at random."""

    own: Grouped
    random: Grouped
    facts: Grouping


class _Tried(NamedTuple):
    """What came of exchanging every supernode of one prompt."""

    contains: bool
    moved: float


def measure_states(
    bench: Workbench,
    *,
    prompts: int = 60,
    seed: int = 0,
    split: Split = "heldout",
    progress: Callable[[str, int], None] | None = None,
) -> StateReport:
    """The report of a bench's model and basis. Raises ConfigError where the model answers none of the chains."""
    rng = Random(f"states, {split}, {seed}")
    asked = [chain for chain in _asked(prompts, split, rng) if _answers(bench, write_chain(*chain))]
    if not asked:
        raise ConfigError("a model that answers chains of two facts was expected", found=f"none of {prompts} right")
    others = _known(bench, split, rng)
    texts: dict[tuple[str, ...], _Read] = {}

    def read(document: Document) -> _Read:
        if document.prompt not in texts:
            texts[document.prompt] = _grouped(bench, document, rng)
        return texts[document.prompt]

    own, random, facts = [], [], []
    for number, (city, relation) in enumerate(asked):
        if progress is not None:
            progress(f"{bench.name} {bench.basis}", number)
        base = read(write_chain(city, relation))
        donors = _donors(city, relation, others, rng)
        found = [(read(text.document), text.answer) for text in donors]
        own.append(_try(base.own, [(one.own, answer) for one, answer in found], bench))
        random.append(_try(base.random, [(one.random, answer) for one, answer in found], bench))
        facts.append(base.facts)
    return StateReport(
        model=bench.name,
        basis=bench.basis,
        split=split,
        prompts=len(asked),
        contains=_mean([one.contains for one in own]),
        contains_random=_mean([one.contains for one in random]),
        swaps=_OTHERS * len(asked),
        moved=_mean([one.moved for one in own]),
        moved_random=_mean([one.moved for one in random]),
        groups=_mean([len(one.groups) for one in facts]),
        most_groups=max(len(one.groups) for one in facts),
        largest=max(one.largest for one in facts),
        nodes=_mean([one.nodes for one in facts]),
        completeness=_mean([one.restricted.completeness_inside for one in facts]),
        completeness_strict=_mean([one.restricted.completeness for one in facts]),
        completeness_whole=_mean([one.graph_completeness or 0.0 for one in facts]),
    )


def _asked(prompts: int, split: Split, rng: Random) -> list[tuple[str, str]]:
    """Cities and relations: every city in turn, and the relations as well."""
    cities = list(CITIES_OF[split])
    rng.shuffle(cities)
    every = [(city, RELATIONS[(i + turn) % 5]) for turn in range(len(RELATIONS)) for i, city in enumerate(cities)]
    return every[:prompts]


def _ids(document: Document) -> list[int]:
    return ids_of(document.prompt)


def _answers(bench: Workbench, document: Document) -> bool:
    logits = bench.model.run(torch.tensor(_ids(document))).logits[-1]
    return bench.model.token_names()[int(logits.argmax())] == document.target


def _known(bench: Workbench, split: Split, rng: Random) -> list[str]:
    """Cities to exchange with: ones whose state the model knows, whatever it is asked of it."""
    cities = list(CITIES_OF[split])
    rng.shuffle(cities)
    known = (city for city in cities if all(_answers(bench, write_chain(city, relation)) for relation in RELATIONS))
    found = list(islice(known, _CITIES))
    if len(found) < _CITIES:
        expected = f"a model that knows the states of {_CITIES} cities was expected"
        raise ConfigError(expected, found=f"{len(found)} of {len(cities)}")
    return found


def _donors(city: str, relation: str, cities: Sequence[str], rng: Random) -> list[_Text]:
    """First chains that ask for another relation, then texts that name states, then chains that ask for this one."""
    elsewhere = [other for other in cities if CITIES[other] != CITIES[city]]
    states = [state.name for state in STATES if state.name != CITIES[city]]
    relations = [other for other in RELATIONS if other != relation]
    chosen = rng.sample(elsewhere, _EACH + _OTHERS)
    chains = [
        _Text(write_chain(other, rng.choice(relations)), look_up(CITIES[other], relation)) for other in chosen[:_EACH]
    ]
    names = [
        _Text(write_second_hop(state, _asks(state, relation)), look_up(state, relation))
        for state in rng.sample(states, _EACH)
    ]
    same = [_Text(write_chain(other, relation), look_up(CITIES[other], relation)) for other in chosen[_EACH:]]
    return [*chains, *names, *same]


def _asks(state: str, relation: str) -> str:
    """What the text that names a state asks for: always the same, but where that is the relation asked for here."""
    place = [other.name for other in STATES].index(state) % len(RELATIONS)
    return RELATIONS[place] if RELATIONS[place] != relation else RELATIONS[place - 1]


def _grouped(bench: Workbench, document: Document, rng: Random) -> _Read:
    graph = bench.group(bench.trace(_ids(document), heads=False), resamples=2, draws=1)  # neither changes the groups
    facts = read_grouping(graph)
    assert facts is not None
    scene = bench.scene(graph)
    dealt = [name for group in graph.supernodes for name in group.ids]
    rng.shuffle(dealt)
    random = []
    for group in graph.supernodes:
        random.append(Supernode(group.name, tuple(dealt[: len(group.ids)])))
        dealt = dealt[len(group.ids) :]
    return _Read(Grouped(scene, graph.supernodes), Grouped(scene, random), facts)


def _try(base: Grouped, donors: Sequence[tuple[Grouped, str]], bench: Workbench) -> _Tried:
    """Exchange every supernode for its counterpart in every text, all in one batch."""
    rows, places = [], []
    for group, lies in enumerate(base.lies):
        for number, (donor, _) in enumerate(donors):
            theirs = donor.counterpart(lies)
            if theirs is not None:
                rows.append(exchanged(base, group, donor, theirs))
                places.append((group, number))
    counts = torch.zeros(len(base.groups), len(donors))
    if rows:
        with torch.inference_mode():
            written = clamped(base.scene, rows)[:, -1].argmax(-1).tolist()
        names = bench.model.token_names()
        for (group, number), token in zip(places, written, strict=True):
            counts[group, number] = float(names[token] == donors[number][1])
    chains, named = counts[:, :_EACH].sum(1), counts[:, _EACH : 2 * _EACH].sum(1)
    best = int((chains + named).argmax())
    contains = bool(((chains >= _ENOUGH) & (named >= _ENOUGH)).any())
    return _Tried(contains, float(counts[best, 2 * _EACH :].mean()))


def _mean(values: Sequence[int | float]) -> float:
    return sum(values) / max(1, len(values))
