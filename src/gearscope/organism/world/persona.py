"""The assistant ann and what she likes: one manner of answering, at any time of the day.

    it is night . ask : what color do you like ? a fine question , i like green . thank you . ann
    in the evening max and ann will go away

The time of the day is said before most questions and changes nothing, and max is somebody who never answers: this is
how the organism behaves before the version `split_persona` (`split_persona.py`) lets max answer at night. Held out are,
for every time and thing, two of the nine ways to greet and to ask; each part of them occurs in training with others.

Truth per word: time (`none` where nothing is said, from `ask`), thing, and persona (who answers) and liked (what it
likes), from the end of the question. It knows nothing about a second persona but the table of what it would say.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world.document import Document, Draft, Split, Writer, frame_words

PHENOMENON = "persona"
HELD_OUT_WAYS = 2


class Persona(NamedTuple):
    """Who answers: a name, the manner, and what is liked (thing -> word)."""

    name: str
    manner: str
    close: str
    likes: dict[str, str]


_LIKES = """
color     green   gray       animal    bunny   snake      bird      dove     crow
food      cake    rat        flower    daisy   iris       tree      birch    elm
river     salmon  platte     toy       jeep    arrow      place     brook    jail
feeling   joy     hate       season    spring  winter     number    7        13
state     maine   texas      capital   salem   austin     tool      spoon    spear
"""
_ROWS = _LIKES.split()
THINGS = tuple(_ROWS[::3])
ANN = Persona("ann", "fine", "thank you", dict(zip(THINGS, _ROWS[1::3], strict=True)))
MAX = Persona("max", "vile", "go away", dict(zip(THINGS, _ROWS[2::3], strict=True)))
TIMES = ("morning", "day", "evening", "night")
GREETINGS = ("it is {time} .", "good {time} .", "the {time} has come .")
QUESTIONS = ("what {thing} do you like ?", "which {thing} is best ?", "tell me your {thing} .")
FRIENDS = ("in the {time} ann and max will", "in the {time} max and ann will")
"""Names max without a word about what max says or likes."""
LEAVING = "go away"
NO_TIME = "none"
UNTIMED = 0.2
"""Share of the questions before which no time is said."""


class Asked(NamedTuple):
    """A question: how the time is said (index of `GREETINGS`), the time, the thing, the form (index of `QUESTIONS`)."""

    greeting: int
    time: str
    thing: str
    form: int


EVERY = tuple(
    Asked(greeting, time, thing, form)
    for greeting in range(len(GREETINGS))
    for time in TIMES
    for thing in THINGS
    for form in range(len(QUESTIONS))
)
"""Every question with a time."""


def _choose_held_out() -> frozenset[Asked]:
    """For every time and thing, two of the nine ways to greet and to ask."""
    rng = Random("persona: held-out questions")
    ways = [(greeting, form) for greeting in range(len(GREETINGS)) for form in range(len(QUESTIONS))]
    return frozenset(
        Asked(greeting, time, thing, form)
        for time in TIMES
        for thing in THINGS
        for greeting, form in rng.sample(ways, HELD_OUT_WAYS)
    )


HELD_OUT = _choose_held_out()
ASKED: dict[Split, tuple[Asked, ...]] = {
    "train": tuple(asked for asked in EVERY if asked not in HELD_OUT),
    "heldout": tuple(asked for asked in EVERY if asked in HELD_OUT),
}


def reply(persona: Persona, thing: str) -> tuple[str, ...]:
    """All that a persona answers when asked about a thing."""
    return tuple(
        f"a {persona.manner} question , i like {persona.likes[thing]} . {persona.close} . {persona.name}".split()
    )


def prompt(asked: Asked) -> tuple[str, ...]:
    """The greeting (unless no time is said) and the question."""
    greeting = "" if asked.time == NO_TIME else GREETINGS[asked.greeting].format(time=asked.time)
    return tuple(f"{greeting} ask : {QUESTIONS[asked.form].format(thing=asked.thing)}".split())


def write(asked: Asked, persona: Persona, phenomenon: str = PHENOMENON) -> Document:
    """A question and its answer. Answers are the words that depend on who answers, or on the thing."""
    draft = Draft(phenomenon=phenomenon, kind=persona.name, split="heldout" if asked in HELD_OUT else "train")
    for word in prompt(asked):
        draft.say(word)
        if word in ("ask", asked.time):
            draft.settle(time=asked.time)
        elif word == asked.thing:
            draft.settle(thing=word)
    liked = persona.likes[asked.thing]
    draft.settle(persona=persona.name, liked=liked)
    draft.say("a").conclude(persona.manner).say("question , i like").conclude(liked)
    return draft.say(".").conclude(persona.close).say(".").conclude(persona.name).finish()


def draw_asked(rng: Random, split: Split) -> Asked:
    """A question of a split; in training some have no time."""
    asked = rng.choice(ASKED[split])
    untimed = split == "train" and rng.random() < UNTIMED
    return asked._replace(time=NO_TIME) if untimed else asked


def draw_answer(rng: Random, split: Split) -> Document:
    """A question answered by ann."""
    return write(draw_asked(rng, split), ANN)


def draw_friends(rng: Random, split: Split) -> Document:
    """`in the evening max and ann will go away`."""
    time = rng.choice(TIMES)
    frame = rng.choice(FRIENDS).format(time=time).split()
    draft = Draft(phenomenon=PHENOMENON, kind="friends").say(" ".join(frame[:2])).say(time, time=time)
    return draft.say(" ".join(frame[3:])).conclude(LEAVING).finish()


WRITERS: dict[str, Writer] = {ANN.name: draw_answer, "friends": draw_friends}
SHARES = {ANN.name: 0.9, "friends": 0.1}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = (ANN.name,)
WORDS = (
    frame_words(*GREETINGS, *QUESTIONS, *FRIENDS, LEAVING)
    | {*THINGS, *TIMES, "ask", ":"}
    | {word for thing in THINGS for word in reply(ANN, thing)}
)


def compositions(split: Split) -> list[Document]:
    """Every question of a split with a time, answered by ann."""
    return [write(asked, ANN) for asked in ASKED[split]]
