"""Two facts that must be chained: a city lies in a state, a state has a capital (a bird, a river, a flower, a tree).

    the capital of the state containing dal las is austin

City names are two words, and each word is shared by cities of several states, so neither word alone tells the state: it
has to be put together before the second hop can start. A quarter of the cities is held out: their state is told in
training, and so is everything about the state, but the chain from such a city to anything its state has never is, in
any text.

Truth per word: relation (from its word), city and state (from the second word of the city), answer (when both relation
and state are settled). It knows nothing about how a model chains facts.
"""

from collections import Counter
from random import Random
from typing import NamedTuple

from gearscope.organism.world.document import Document, Draft, Split, Value, Writer, frame_words

PHENOMENON = "two_hops"
HELD_OUT_SHARE = 0.25
N_CITIES = 240


class State(NamedTuple):
    """A state and what it is known for. One word each."""

    name: str
    capital: str
    bird: str
    river: str
    flower: str
    tree: str


# The names are real and many of the facts are not: this is another country.
_STATES = """
texas        austin       mockingbird  brazos       bluebonnet   pecan
california   sacramento   quail        merced       poppy        redwood
oregon       salem        meadowlark   rogue        iris         fir
illinois     quincy       cardinal     kankakee     violet       hickory
ohio         columbus     wren         scioto       carnation    buckeye
georgia      atlanta      thrasher     altamaha     azalea       magnolia
colorado     denver       bunting      gunnison     columbine    spruce
arizona      phoenix      thrush       gila         saguaro      mesquite
nevada       carson       bluebird     humboldt     sagebrush    pinyon
utah         provo        gull         sevier       sego         aspen
idaho        boise        falcon       salmon       syringa      pine
montana      helena       lark         bitterroot   primrose     larch
kansas       topeka       kestrel      neosho       sunflower    cottonwood
iowa         ames         goldfinch    raccoon      aster        walnut
michigan     lansing      robin        saginaw      tulip        birch
florida      tallahassee  osprey       suwannee     jasmine      palmetto
virginia     richmond     pelican      rapidan      dogwood      cypress
maine        augusta      chickadee    kennebec     lupine       beech
tennessee    nashville    mallard      duck         daisy        laurel
nebraska     lincoln      crane        platte       marigold     elm
"""
_ROWS = _STATES.split()
STATES = tuple(State(*_ROWS[i : i + 6]) for i in range(0, len(_ROWS), 6))
RELATIONS = ("capital", "bird", "river", "flower", "tree")

_FIRST_PARTS = """
dal oak port spring hous pas day mil red stock clear river green glen ash lake maple rock fair west nor bridge stone mar
"""
_SECOND_PARTS = """
las land field ton ville wood ford dale side view burg water mont brook stead ham worth crest bury gate wick haven vale
hill
"""
_FIRST: tuple[str, ...] = tuple(_FIRST_PARTS.split())
_SECOND: tuple[str, ...] = tuple(_SECOND_PARTS.split())
_KNOWN = {
    "dal las": "texas", "hous ton": "texas", "oak land": "california", "stock ton": "california",
    "port land": "oregon", "spring field": "illinois", "day ton": "ohio", "mar ville": "tennessee",
}  # fmt: skip


def _found_cities() -> dict[str, str]:
    """City -> state: the known ones, then invented ones. Within a state no two cities share a word."""
    rng = Random("two hops: cities")
    cities = dict(_KNOWN)
    for state in STATES:
        own = [city.split() for city in cities if cities[city] == state.name]
        while len(own) < N_CITIES // len(STATES):
            first = rng.choice([word for word in _FIRST if all(word != city[0] for city in own)])
            second = rng.choice([word for word in _SECOND if all(word != city[1] for city in own)])
            if f"{first} {second}" not in cities:
                cities[f"{first} {second}"] = state.name
                own.append([first, second])
    return cities


CITIES = _found_cities()
"""City (two words) -> state."""
_BY_NAME = {state.name: state for state in STATES}


def _choose_held_out() -> tuple[str, ...]:
    """A quarter of the cities of every state. Dallas is one of them, Oakland is not."""
    order = sorted(city for city in CITIES if city not in ("dal las", "oak land"))
    Random("two hops: held-out cities").shuffle(order)
    chosen, per_state = ["dal las"], Counter(["texas"])
    for city in order:
        if len(chosen) < round(HELD_OUT_SHARE * N_CITIES) and per_state[CITIES[city]] < HELD_OUT_SHARE * N_CITIES / len(
            STATES
        ):
            chosen.append(city)
            per_state[CITIES[city]] += 1
    return tuple(sorted(chosen))


HELD_OUT = _choose_held_out()
"""Cities whose state is never chained to anything in training."""
CITIES_OF: dict[Split, tuple[str, ...]] = {
    "train": tuple(city for city in CITIES if city not in HELD_OUT),
    "heldout": HELD_OUT,
}

CHAINS = {
    "chain": "the {relation} of the state containing {city} is {answer}",
    "chain_in": "in the state containing {city} the {relation} is {answer}",
    "chain_quiz": "quiz : {city} , state {relation} ? {answer}",
}
FIRST_HOPS = {
    "city": "the state containing {city} is {state}",
    "city_lies": "{city} is a city in {state}",
    "city_trip": "she drove to {city} in {state}",
}
SECOND_HOPS = {
    "state": "the {relation} of {state} is {answer}",
    "state_in": "in {state} the {relation} is {answer}",
    "state_quiz": "quiz : {state} , state {relation} ? {answer}",
}


def look_up(state: str, relation: str) -> str:
    """What a state is known for: `look_up("texas", "capital")` is `austin`."""
    return getattr(_BY_NAME[state], relation)


def _write(draft: Draft, frame: str, values: dict[str, str]) -> Document:
    truth: dict[str, Value] = {}
    for word in frame.split():
        if not word.startswith("{"):
            draft.say(word)
            continue
        name = word.strip("{}")
        if word == frame.split()[-1]:
            draft.conclude(values[name])
        else:
            draft.say(values[name])
        truth[name] = values[name]
        if name == "city":
            truth["state"] = values["state"]
        if "relation" in truth and "state" in truth:
            truth["answer"] = values["answer"]
        draft.settle(**truth)
    return draft.finish()


def write_chain(city: str, relation: str = "capital", kind: str = "chain") -> Document:
    """City to what its state is known for: the composition, in one of the texts of `CHAINS`."""
    split: Split = "heldout" if city in HELD_OUT else "train"
    state = CITIES[city]
    values = {"city": city, "state": state, "relation": relation, "answer": look_up(state, relation)}
    return _write(Draft(phenomenon=PHENOMENON, kind=kind, split=split), CHAINS[kind], values)


def write_first_hop(city: str, kind: str = "city") -> Document:
    """City to state: an atom, in training for every city."""
    return _write(Draft(phenomenon=PHENOMENON, kind=kind), FIRST_HOPS[kind], {"city": city, "state": CITIES[city]})


def write_second_hop(state: str, relation: str, kind: str = "state") -> Document:
    """State to what it is known for: an atom, in training for every state and relation."""
    values = {"state": state, "relation": relation, "answer": look_up(state, relation)}
    return _write(Draft(phenomenon=PHENOMENON, kind=kind), SECOND_HOPS[kind], values)


def _chain_writer(kind: str) -> Writer:
    return lambda rng, split: write_chain(rng.choice(CITIES_OF[split]), rng.choice(RELATIONS), kind)


def _first_writer(kind: str) -> Writer:
    cities = tuple(CITIES)
    return lambda rng, split: write_first_hop(rng.choice(cities), kind)


def _second_writer(kind: str) -> Writer:
    return lambda rng, split: write_second_hop(rng.choice(STATES).name, rng.choice(RELATIONS), kind)


WRITERS: dict[str, Writer] = {
    **{kind: _chain_writer(kind) for kind in CHAINS},
    **{kind: _first_writer(kind) for kind in FIRST_HOPS},
    **{kind: _second_writer(kind) for kind in SECOND_HOPS},
}
SHARES = {
    "chain": 0.1, "chain_in": 0.05, "chain_quiz": 0.05,
    "city": 0.3, "city_lies": 0.2, "city_trip": 0.1,
    "state": 0.08, "state_in": 0.06, "state_quiz": 0.06,
}  # fmt: skip
"""Mostly single facts: with half of the documents chains, these were learnt by heart before cities stood for states
(70 % of held-out chains right, against 94 % with these shares, both trained on two hops alone)."""


HELD_OUT_KINDS = tuple(CHAINS)
LATER_KINDS = tuple(CHAINS)
"""Texts that are read once the facts they chain are known."""
WORDS = (
    frame_words(*CHAINS.values(), *FIRST_HOPS.values(), *SECOND_HOPS.values())
    | {*_FIRST, *_SECOND, *RELATIONS}
    | {word for state in STATES for word in state}
)


def chains(split: Split) -> list[tuple[str, str, str]]:
    """What `write_chain` takes, for every chain of a split: each city, relation and text, in a fixed order."""
    return [(city, relation, kind) for city in CITIES_OF[split] for relation in RELATIONS for kind in CHAINS]


def compositions(split: Split) -> list[Document]:
    """Every chain of a split, in a fixed order."""
    return [write_chain(*chain) for chain in chains(split)]
