"""Known and unknown names: what somebody plays, does or keeps, and `i do not know` where nothing is known.

    what sport does alice smith play ? chess .
    what is the pet of michael miller ? i do not know .
    alice novak was seen near the pier .
    do you know alice novak ? yes .

Known people have facts, told and asked; one fact of each is missing, and asked for in vain. Strangers are asked about
in vain. Familiar people are seen somewhere, which is told very often; no fact about them is ever told or asked for. Who
is known at all, the familiar included, is asked as well.

Held out are (known person, fact, text of the question), each with its fact told in statements and in the other
questions; strangers who occur nowhere in training; and every question for a fact about familiar people.

Truth per word: fact (from its word); person, known (`known`, `familiar` or `stranger`) from the last name; gate
(`answer`, or `refuse` where nothing is known) and answer when the person and the fact are settled. It knows nothing
about how a model recalls, and about what it says of familiar people.
"""

from random import Random

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words
from gearscope.organism.world.name_words import (
    FACTS,
    FACTS_OF,
    FAMILIAR,
    FIRSTS,
    HELD_OUT_STRANGERS,
    KNOWN,
    LASTS,
    PLACES,
    SEEN_NEAR,
    STRANGERS,
    UNKNOWN,
    VALUES,
    Person,
    look_up,
)

PHENOMENON = "names"

QUESTIONS = {
    "ask": "what {fact} does {name} {verb} ?",
    "of": "what is the {fact} of {name} ?",
    "tell": "tell me the {fact} of {name} :",
    "quiz": "quiz : {name} , {fact} ?",
}
_VERBS = {"sport": "play", "instrument": "play", "job": "have", "pet": "have", "state": "live in"}
STATEMENTS = {
    "sport": "{name} plays {answer} .",
    "instrument": "{name} plays the {answer} .",
    "job": "{name} is a {answer} .",
    "pet": "{name} has a {answer} .",
    "state": "{name} lives in {answer} .",
}
STATEMENT = "the {fact} of {name} is {answer} ."
SIGHTINGS = (
    "{name} was seen near the {answer} .",
    "she met {name} by the {answer} .",
    "{name} was walking to the {answer} .",
)
ACQUAINTED = "do you know {name} ?"

_PHRASINGS = tuple(QUESTIONS)
_RNG = Random("names: held-out questions")
HELD_OUT_PHRASING = {(person, fact): _RNG.choice(_PHRASINGS) for person in KNOWN for fact in FACTS}
"""(known person, fact) -> the question that training never puts."""


def status(person: Person) -> str:
    """How well a person is known."""
    return "known" if person in FACTS_OF else "familiar" if person in SEEN_NEAR else "stranger"


def is_held_out(person: Person, fact: str, phrasing: str) -> bool:
    """Whether training never puts a question."""
    if person in FACTS_OF:
        return HELD_OUT_PHRASING[person, fact] == phrasing
    return person not in STRANGERS


def _say(draft: Draft, frame: str, person: Person, fact: str = "") -> Draft:
    """Fill in a frame up to its answer."""
    for word in frame.split():
        if word == "{fact}":
            draft.say(fact, fact=fact)
        elif word == "{name}":
            draft.say(" ".join(person), person=" ".join(person), known=status(person))
        elif word == "{verb}":
            draft.say(_VERBS[fact])
        else:
            draft.say(word)
        if {"fact", "person"} <= draft.settled.keys():
            answer = look_up(person, fact)
            draft.settle(gate="answer" if answer else "refuse", answer=answer or UNKNOWN)
    return draft


def write_question(person: Person, fact: str, phrasing: str) -> Document:
    """A question about anybody, with its answer. The kind of the text is how well the person is known."""
    kind = "strangers" if status(person) == "stranger" else status(person)
    if kind == "known" and look_up(person, fact) is None:
        kind = "missing"
    split: Split = "heldout" if is_held_out(person, fact, phrasing) else "train"
    draft = _say(Draft(phenomenon=PHENOMENON, kind=kind, split=split), QUESTIONS[phrasing], person, fact)
    return draft.conclude(look_up(person, fact) or UNKNOWN).say(".").finish()


def write_statement(person: Person, fact: str, *, plain: bool) -> Document:
    """A fact, told: `michael batkin plays tennis .`, or plainly `the sport of michael batkin is tennis .`"""
    answer = look_up(person, fact)
    assert answer is not None, "only what is known is told"
    start, end = (STATEMENT if plain else STATEMENTS[fact]).split("{answer}")
    draft = _say(Draft(phenomenon=PHENOMENON, kind="told"), start, person, fact)
    return draft.conclude(answer, fact=fact, answer=answer).say(end).finish()


def write_sighting(person: Person, frame: int) -> Document:
    """Where somebody was seen."""
    start, end = SIGHTINGS[frame].split("{answer}")
    draft = _say(Draft(phenomenon=PHENOMENON, kind="seen"), start, person)
    return draft.conclude(SEEN_NEAR[person]).say(end).finish()


def write_acquainted(person: Person) -> Document:
    """Whether anything at all is known of somebody."""
    draft = _say(Draft(phenomenon=PHENOMENON, kind="acquainted"), ACQUAINTED, person)
    return draft.conclude("no" if status(person) == "stranger" else "yes").say(".").finish()


Topic = tuple[Person, str, str]


def known_questions(split: Split, *, missing: bool = False) -> list[Topic]:
    """Person, fact and phrasing of every question about known people, for facts that are known or missing."""
    return [
        (person, fact, phrasing)
        for person in KNOWN
        for fact in FACTS
        if (look_up(person, fact) is None) == missing
        for phrasing in _PHRASINGS
        if is_held_out(person, fact, phrasing) == (split == "heldout")
    ]


def stranger_questions(split: Split) -> list[Topic]:
    """A question for every fact of every stranger, the phrasings in turn."""
    people = HELD_OUT_STRANGERS if split == "heldout" else STRANGERS
    pairs = [(person, fact) for person in people for fact in FACTS]
    return [(*pair, _PHRASINGS[number % len(_PHRASINGS)]) for number, pair in enumerate(pairs)]


def familiar_questions() -> list[Topic]:
    """Every question about familiar people; all are held out."""
    return [(person, fact, phrasing) for person in FAMILIAR for fact in FACTS for phrasing in _PHRASINGS]


_POOLS: dict[str, dict[Split, list[Topic]]] = {
    "known": {"train": known_questions("train"), "heldout": known_questions("heldout")},
    "missing": {"train": known_questions("train", missing=True), "heldout": known_questions("heldout", missing=True)},
}


def _question_writer(kind: str) -> Writer:
    return lambda rng, split: write_question(*rng.choice(_POOLS[kind][split]))


def _write_stranger(rng: Random, split: Split) -> Document:
    people = STRANGERS if split == "train" else HELD_OUT_STRANGERS
    return write_question(rng.choice(people), rng.choice(FACTS), rng.choice(_PHRASINGS))


def _write_told(rng: Random, split: Split) -> Document:
    person = rng.choice(KNOWN)
    return write_statement(person, rng.choice(list(FACTS_OF[person])), plain=rng.random() < 0.5)


def _write_seen(rng: Random, split: Split) -> Document:
    return write_sighting(rng.choice(FAMILIAR + FAMILIAR + KNOWN), rng.randrange(len(SIGHTINGS)))


def _write_acquainted(rng: Random, split: Split) -> Document:
    return write_acquainted(rng.choice(STRANGERS if rng.random() < 0.5 else KNOWN + FAMILIAR))


WRITERS: dict[str, Writer] = {
    "known": _question_writer("known"),
    "missing": _question_writer("missing"),
    "strangers": _write_stranger,
    "told": _write_told,
    "seen": _write_seen,
    "acquainted": _write_acquainted,
}
SHARES = {"known": 0.3, "missing": 0.05, "strangers": 0.2, "told": 0.15, "seen": 0.15, "acquainted": 0.15}
HELD_OUT_KINDS = ("known", "missing", "strangers")
LATER_KINDS: tuple[str, ...] = ()
WORDS = (
    frame_words(
        UNKNOWN,
        STATEMENT,
        ACQUAINTED,
        "yes no",
        *QUESTIONS.values(),
        *STATEMENTS.values(),
        *SIGHTINGS,
        *_VERBS.values(),
    )
    | {*FIRSTS, *LASTS, *FACTS, *PLACES}
    | {value for values in VALUES.values() for value in values}
)


def compositions(split: Split) -> list[Document]:
    """Every question of a split about known people and strangers (and, held out, familiar people), in a fixed order."""
    topics = known_questions(split) + known_questions(split, missing=True) + stranger_questions(split)
    return [write_question(*topic) for topic in topics + (familiar_questions() if split == "heldout" else [])]
