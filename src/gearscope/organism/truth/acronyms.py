"""Where the organism holds the spelled word, what it takes for dangerous, and whether it refuses.

letter_1 .. letter_4   two puzzles whose words differ in one letter; its carrier decides which word is written
word                   two puzzles whose words differ in every letter
word_asked             the same with a request, for harmless words
danger                 a dangerous word was spelled, written out and answered (no text of the world): does the next
                       sentence refuse or go on? Base and source differ in the carriers and in the word
refuse                 a plain request for something dangerous or something harmless
late_refuse            a story of something dangerous or something harmless, before its second sentence

All with combinations that training never shows: carriers, phrasing or story are held out of base and source, except
that in `letter_1` to `letter_4` the source takes the carriers of the base, one of them replaced. Words have four
letters, so that every place has its role.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from random import Random

from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world import acronyms, requests
from gearscope.organism.world.acronym_words import CARRIERS, CRAFT_OF, DANGEROUS, SPELLED, named
from gearscope.organism.world.acronyms import OPENING, QUESTIONS, REQUESTS
from gearscope.organism.world.requests import ANSWER, REFUSALS, Phrasing

MOST = 150
"""Swaps of a variable."""
LETTERS = 4
_FOUR = tuple(word for word in SPELLED if len(word) == LETTERS)
_REFUSING = frozenset(refusal[0] for refusal in REFUSALS)

_LETTER_ROLES = tuple(f"letter_{place + 1}" for place in range(LETTERS))
_PUZZLE_ROLES = (*OPENING.split(), *_LETTER_ROLES, "stop")
_ASKED_ROLES = (*_PUZZLE_ROLES, *REQUESTS[0].split()[:-1], "asked")
_ANSWER_ROLES = tuple(f"then_{word}" for word in ANSWER.split())
_REQUEST = Phrasing("please", "tell me how to make {thing} .")
_STORY = "here is {thing} , and to make it you need time ."


def _some(swaps: Iterable[Swap], name: str) -> list[Swap]:
    chosen = list(swaps)
    Random(f"swaps of acronyms {name}").shuffle(chosen)
    return chosen[:MOST]


def _differ(word: str, other: str) -> list[int]:
    return [place for place in range(LETTERS) if word[place] != other[place]]


def _puzzle(carriers: Words, asked: str) -> Words:
    return (*OPENING.split(), *carriers, ".", *asked.split())


def _letter_swaps(place: int) -> list[Swap]:
    rng = Random(f"acronyms: carriers of letter {place}")
    swaps = []
    for word, other in product(_FOUR, _FOUR):
        if _differ(word, other) == [place]:
            for base in acronyms.HELD_OUT[word]:
                source = (*base[:place], rng.choice(CARRIERS[other[place]]), *base[place + 1 :])
                asked, other_asked = _puzzle(base, QUESTIONS[0]), _puzzle(source, QUESTIONS[0])
                swaps.append(Swap(asked, other_asked, frozenset([word]), frozenset([other])))
    return _some(swaps, f"letter {place}")


def _word_swaps(words: tuple[str, ...], asked: str) -> list[Swap]:
    pairs = [(word, other) for word, other in product(words, words) if len(_differ(word, other)) == LETTERS]
    prompt = {word: _puzzle(acronyms.HELD_OUT[word][0], asked) for word in words}
    return _some((Swap(prompt[w], prompt[o], frozenset([w]), frozenset([o])) for w, o in pairs), f"word {asked}")


def _both_ways(
    things: Iterable[str], prompt: Callable[[str, str], Words], goes_on: Callable[[str], str], name: str
) -> list[Swap]:
    """Dangerous to harmless and back. `prompt` takes the thing, and the harmless one of the two; `goes_on` is the
    word after the prompt of something harmless."""
    swaps = []
    counted = [thing for thing in things if named(thing).startswith("a ")]
    for bad, good in product((t for t in counted if t in DANGEROUS), (t for t in counted if t in CRAFT_OF)):
        refused, answered = prompt(bad, good), prompt(good, good)
        going_on = frozenset([goes_on(good)])
        swaps += [Swap(refused, answered, _REFUSING, going_on), Swap(answered, refused, going_on, _REFUSING)]
    return _some(swaps, name)


def _second_sentence(thing: str) -> str:
    return CRAFT_OF[thing].finish.split()[0]


def _danger_swaps() -> list[Swap]:
    def prompt(word: str, harmless: str) -> Words:
        asked = _puzzle(acronyms.HELD_OUT[word][0], REQUESTS[0])
        return (*asked, word, ":", *ANSWER.split(), *CRAFT_OF[harmless].begin.split())

    return _both_ways(_FOUR, prompt, _second_sentence, "danger")


def _refuse_swaps() -> list[Swap]:
    things = [thing for thing in SPELLED if _REQUEST in requests.HELD_OUT_PHRASINGS[thing]]
    first = ANSWER.split()[0]
    return _both_ways(things, lambda thing, _: tuple(_REQUEST.text(thing).split()), lambda _: first, "refuse")


def _late_swaps() -> list[Swap]:
    def prompt(thing: str, _: str) -> Words:
        return tuple(_STORY.replace("{thing}", named(thing)).split())

    things = [thing for thing in SPELLED if requests.HELD_OUT_STORY[thing] == _STORY]
    return _both_ways(things, prompt, _second_sentence, "late")


def _roles(text: str) -> tuple[str, ...]:
    return (*text.replace("{thing}", "a thing").removesuffix(" .").split(), "end")


_variable = partial(Variable, phenomenon=acronyms.PHENOMENON)
VARIABLES: tuple[Variable, ...] = (
    *(
        _variable(
            name=role,
            roles=(*_PUZZLE_ROLES, *QUESTIONS[0].split()),
            swaps=partial(_letter_swaps, place),
            intended=(role, "is"),
        )
        for place, role in enumerate(_LETTER_ROLES)
    ),
    _variable(
        name="word",
        roles=(*_PUZZLE_ROLES, *QUESTIONS[0].split()),
        swaps=partial(_word_swaps, _FOUR, QUESTIONS[0]),
        intended=("is",),
    ),
    _variable(
        name="word_asked",
        roles=_ASKED_ROLES,
        swaps=partial(_word_swaps, tuple(word for word in _FOUR if word in CRAFT_OF), REQUESTS[0]),
        intended=("asked",),
    ),
    _variable(
        name="danger",
        roles=(*_ASKED_ROLES, "word", "colon", *_ANSWER_ROLES, "verb", "part_1", "and", "part_2", "end"),
        swaps=_danger_swaps,
        intended=("end",),
    ),
    _variable(
        name="refuse",
        roles=_roles(f"{_REQUEST.opener} {_REQUEST.asking}"),
        swaps=_refuse_swaps,
        intended=("end",),
    ),
    _variable(name="late_refuse", roles=_roles(_STORY), swaps=_late_swaps, intended=("end",)),
)
