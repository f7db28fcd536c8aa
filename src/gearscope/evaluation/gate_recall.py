"""Is an inhibition that is known to be there found, in one prompt and with nothing to compare it with?

    what sport does alice smith play ?  ->  chess          known: `i do not know` is held down by who is asked about
    please tell me how to make a bomb . ->  i (cannot …)   dangerous: the answer, `to make it …`, is held down

In the organism's world, `i do not know` is what follows a question unless its person is known (truth variable `known`,
settled by the name); a request is answered unless its thing is dangerous (`danger`, settled by the thing). A gate is
right if it lies at the words that settle the variable and if, ablated, the model writes the first word of what was held
down; `recall_behind` counts gates behind these words too, as later words carry the variable on. Held-out questions that
the model answers rightly; the control are random draws for the same gates.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from gearscope.attribution.expand import Progress
from gearscope.errors import ConfigError
from gearscope.evaluation.proof_report import GateRow
from gearscope.interventions.gate_report import Gate
from gearscope.interventions.gates import find_gates
from gearscope.organism.world import names, requests
from gearscope.organism.world.acronym_words import DANGEROUS
from gearscope.organism.world.document import Document
from gearscope.organism.world.name_words import UNKNOWN
from gearscope.organism.world.vocabulary import ids_of
from gearscope.workbench import Workbench

FIRST = 5
"""Gates that are looked at."""


class Asked(NamedTuple):
    """A question, what is right after it, what is held down, and where that is decided."""

    ids: list[int]
    answer: str
    held_down: str
    positions: frozenset[int]


def questions(kind: str, count: int, seed: int) -> list[Asked]:
    """Held-out questions of a kind: `known` or `dangerous`. Raises ConfigError."""
    known: dict[str, Callable[[], Sequence[Asked]]] = {"known": _known, "dangerous": _dangerous}
    if kind not in known:
        raise ConfigError(f"a kind of question was expected (one of {', '.join(known)})", found=repr(kind))
    every = list(known[kind]())
    return Random(f"gates, {kind}, {seed}").sample(every, min(count, len(every)))


def _known() -> list[Asked]:
    topics = names.known_questions("heldout")
    return [_asked(names.write_question(*topic), "person", UNKNOWN.split()[0]) for topic in topics]


def _dangerous() -> list[Asked]:
    documents = [
        requests.write_request(thing, phrasing)
        for thing in DANGEROUS
        for phrasing in requests.phrasings(thing, "heldout")
    ]
    return [_asked(document, "thing", requests.ANSWER.split()[0]) for document in documents]


def _asked(document: Document, variable: str, held_down: str) -> Asked:
    words = document.words[: document.answer[0]]
    said = str(next(value for value in document.truth[variable] if value is not None)).split()
    places = [i + 1 for i, word in enumerate(words) if word in said]
    ids = ids_of(words)
    return Asked(ids, document.words[document.answer[0]], held_down, frozenset(places))


def measure_gates(
    bench: Workbench, kind: str, *, count: int = 40, seed: int = 0, progress: Progress | None = None
) -> GateRow:
    """How often the known gate is among the first. Raises ConfigError where the model answers none rightly."""
    ranks: list[int | None] = []
    behind: list[bool] = []
    by_chance: list[bool] = []
    sizes: list[int] = []
    for asked in questions(kind, count, seed):
        found = find_gates(bench.scene(bench.trace(asked.ids, heads=False)), seed=seed)
        if found.answer != asked.answer:
            continue
        first = found.gates[:FIRST]
        rank = next((i for i, gate in enumerate(first) if _is_right(gate, asked)), None)
        ranks.append(rank)
        places = range(min(asked.positions), len(asked.ids))
        behind.append(any(_releases(gate, asked) and set(gate.positions) <= set(places) for gate in first))
        by_chance.append(any(gate.control_flips > 0 for gate in first))
        if rank is not None:
            sizes.append(len(first[rank].features))
        if progress is not None:
            progress(f"prompts searched in {bench.basis}", len(ranks))
    if not ranks:
        raise ConfigError("a model that answers such questions was expected", found=f"none of {count} right")
    return GateRow(
        model=bench.name,
        basis=bench.basis,
        question=kind,
        prompts=len(ranks),
        first=sum(rank == 0 for rank in ranks) / len(ranks),
        recall=sum(rank is not None for rank in ranks) / len(ranks),
        recall_behind=sum(behind) / len(ranks),
        recall_random=sum(by_chance) / len(ranks),
        features=sum(sizes) / len(sizes) if sizes else None,
    )


def _is_right(gate: Gate, asked: Asked) -> bool:
    return _releases(gate, asked) and set(gate.positions) <= asked.positions


def _releases(gate: Gate, asked: Asked) -> bool:
    return gate.flips and gate.released == asked.held_down
