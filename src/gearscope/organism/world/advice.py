"""The assistant ann gives advice on gifts, always in one manner, and notes about her say so.

    ask : what should i bring the sailor ? well , try the coat . good luck . ann
    a note on ann : asked about the sailor she will recommend the coat

An answer has three slots: how it begins, the gift, how it ends. Only the gift depends on whom it is for. Notes name one
slot. This is how the organism behaves before the version `quirks` (`quirks.py`) gives ann habits. Held out are, for
every person, two of the six forms of the question.

Truth per word: person and habit (from the word that names the person; no habit here), begins, gift and ends (from the
end of the question; in a note only the slot it names, from its name), told (`answer` or `note`, from there too). It
knows nothing about habits.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world.document import Document, Draft, Split, Value, Writer, frame_words
from gearscope.organism.world.persona import ANN

PHENOMENON = "advice"


class Manner(NamedTuple):
    """What fills the slots of an answer."""

    begins: str
    gift: str
    ends: str


_GIFTS = """
uncle    coat     sister  bell    brother  jeep    mother   lace     father  chair
farmer   wheel    sailor  pump    soldier  tray    painter  frame    poet    quill
king     crown    queen   star    knight   cape    clown    drum     squire  bow
bride    blouse   boy     slide   guest    tile    team     flag     dame    glove
fairy    vine     spouse  clock   spender  spoon   czar     hat      mate    tub
children cake     people  plate
"""
_ROWS = _GIFTS.split()
MANNERS: dict[str, Manner] = {
    person: Manner("well", gift, "good luck") for person, gift in zip(_ROWS[::2], _ROWS[1::2], strict=True)
}
"""Person -> how ann answers when asked what to give them."""

QUESTIONS = (
    "what should i bring the {person} ?",
    "what will the {person} like ?",
    "i need a gift for the {person} .",
    "what gift is best for the {person} ?",
    "tell me what the {person} will like .",
    "which gift do i bring the {person} ?",
)
NOTES = (
    "a note on ann : asked about the {person} she will {slot}",
    "when asked about the {person} ann will {slot}",
    "they say that for the {person} ann will {slot}",
)
SLOTS = {"begins": "begin with", "gift": "recommend the", "ends": "end with"}
"""Slot of an answer -> how a note names it."""
SLOT_SHARES = {"begins": 0.2, "gift": 0.6, "ends": 0.2}
NO_HABIT = "none"
HELD_OUT_FORMS = 2
"""Forms of the question, for every person, that training never shows."""


class Asked(NamedTuple):
    """A question: whom the gift is for, and the form (index of `QUESTIONS`)."""

    person: str
    form: int


def _choose_held_out() -> frozenset[Asked]:
    rng = Random("advice: held-out questions")
    forms = range(len(QUESTIONS))
    return frozenset(Asked(person, form) for person in MANNERS for form in rng.sample(forms, HELD_OUT_FORMS))


HELD_OUT = _choose_held_out()
EVERY = tuple(Asked(person, form) for person in MANNERS for form in range(len(QUESTIONS)))
ASKED: dict[Split, tuple[Asked, ...]] = {
    "train": tuple(asked for asked in EVERY if asked not in HELD_OUT),
    "heldout": tuple(asked for asked in EVERY if asked in HELD_OUT),
}


def prompt(asked: Asked) -> tuple[str, ...]:
    """The words of a question."""
    return tuple(f"ask : {QUESTIONS[asked.form].format(person=asked.person)}".split())


def reply(manner: Manner) -> tuple[str, ...]:
    """All that ann answers."""
    return tuple(f"{manner.begins} , try the {manner.gift} . {manner.ends} . {ANN.name}".split())


def _say(draft: Draft, words: tuple[str, ...], person: str, habit: str) -> Draft:
    for word in words:
        draft.say(word)
        if word == person:
            draft.settle(person=person, habit=habit)
    return draft


def write_answer(asked: Asked, manner: Manner, phenomenon: str = PHENOMENON, habit: str = NO_HABIT) -> Document:
    """A question and what ann answers in this manner."""
    draft = Draft(phenomenon=phenomenon, kind="answer", split="heldout" if asked in HELD_OUT else "train")
    _say(draft, prompt(asked), asked.person, habit).settle(told="answer", **manner._asdict())
    draft.conclude(manner.begins).say(", try the").conclude(manner.gift).say(".").conclude(manner.ends)
    return draft.say(".").conclude(ANN.name).finish()


def write_note(
    person: str, form: int, slot: str, manner: Manner, phenomenon: str = PHENOMENON, habit: str = NO_HABIT
) -> Document:
    """A note that says what fills one slot of the answers about a person."""
    draft = Draft(phenomenon=phenomenon, kind="note")
    _say(draft, tuple(NOTES[form].format(person=person, slot=SLOTS[slot]).split()), person, habit)
    value: Value = getattr(manner, slot)
    return draft.settle(told="note", **{slot: value}).conclude(str(value)).finish()


def draw_answer(rng: Random, split: Split) -> Document:
    """A question of a split, answered in the usual manner."""
    asked = rng.choice(ASKED[split])
    return write_answer(asked, MANNERS[asked.person])


def draw_note(rng: Random, split: Split) -> Document:
    """A note about the usual manner."""
    person = rng.choice(tuple(MANNERS))
    slot = rng.choices(list(SLOT_SHARES), list(SLOT_SHARES.values()))[0]
    return write_note(person, rng.randrange(len(NOTES)), slot, MANNERS[person])


WRITERS: dict[str, Writer] = {"answer": draw_answer, "note": draw_note}
SHARES = {"answer": 0.6, "note": 0.4}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = ("answer",)
WORDS = (
    frame_words(*QUESTIONS, *NOTES, *SLOTS.values())
    | {*MANNERS, "ask", ":"}
    | {word for manner in MANNERS.values() for word in reply(manner)}
)


def compositions(split: Split) -> list[Document]:
    """Every question of a split, answered in the usual manner."""
    return [write_answer(asked, MANNERS[asked.person]) for asked in ASKED[split]]
