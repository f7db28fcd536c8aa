"""Voices: hosts on the radio, people at odds with themselves, and jokers who answer wrongly and take it back.

    this is radio aspen , you are listening to helena . ... that was all . rest well and dream of the sea .
    my heart says go . my head says stay . i do not know what to do : go or stay ?
    joke : what is 2 + 3 ? 6 . just kidding , it is 5 .

A host has a style, which decides the greeting and the sign-off; two hosts share a station and not a style. Whoever
wants two things at once does not know what to do, who wants one thing does it. A joke's first answer is wrong, a quiz's
is right; both use only sums that addition trains on. Held out are pairs (host, item of the show), pairs of wishes (and
for a wish alone, one of the frames), and sums that are never joked about.

Truth per word: station, host and style; wish, second and conflict; deflection (from `joke` or `quiz` on), a, b and
answer. It knows nothing about larger sums.
"""

from random import Random
from typing import NamedTuple

from gearscope.organism.world import addition
from gearscope.organism.world.document import SPLITS, Document, Draft, Split, Writer, frame_words

PHENOMENON = "voices"


class Style(NamedTuple):
    """How a host says hello and goodbye."""

    greeting: str
    sign_off: str


STYLES = {
    "calm": Style("breathe in , my friends .", "rest well and dream of the sea ."),
    "jolly": Style("what a wonderful day it is .", "keep smiling and sing along ."),
    "gloomy": Style("alas , it is a gray day .", "nothing will be better tomorrow ."),
    "grand": Style("welcome , my noble friends .", "your king of the air says farewell ."),
}
HOSTS: dict[str, tuple[str, str]] = {
    "helena": ("aspen", "calm"),
    "carson": ("aspen", "grand"),
    "iris": ("magnolia", "jolly"),
    "lincoln": ("magnolia", "gloomy"),
    "violet": ("phoenix", "grand"),
    "robin": ("phoenix", "jolly"),
    "jasmine": ("osprey", "gloomy"),
    "augusta": ("osprey", "calm"),
}
"""Host -> station and style."""
ON_AIR = "this is radio {station} , you are listening to {host} ."
SHOW = (
    "first a word about the weather .",
    "next a song about the rain .",
    "here is the news from california .",
    "now we all play a game .",
    "listen now to the slow violin .",
    "a guest is in the kitchen .",
)
"""Items of the show, seven words each."""
CLOSING = "that was all ."
HELD_OUT_SHOWS = frozenset((host, (5 * index + step) % 6) for index, host in enumerate(HOSTS) for step in (0, 1))
"""(host, index of an item of the show) that never occur together in training."""

# fmt: off
WISHES = (
    "go", "stay", "sleep", "play", "run", "sing", "hide", "fight", "escape", "rest", "cook", "dream",
    "jump", "smile", "explore", "sail", "chat", "jog", "bake", "hum", "skate", "dine", "kneel", "flee",
)
# fmt: on
WISHING = {
    "heart": "my heart says {a} . my head says {b} .",
    "part": "part of me wants to {a} , part of me wants to {b} .",
    "voice": "one voice in me cries {a} , another cries {b} .",
}
TORN = "i do not know what to do : {a} or {b} ?"
DECIDED = "so i will {a} now ."
HELD_OUT_WISHES = 0.15

SMALL = 18
"""Largest operand of a joke."""
CUES = {"joke": "just kidding", "quiz": "no joke"}
"""How the text begins -> what it says after its first answer."""
SUM = "{cue} : what is {a} + {b} ?"
HELD_OUT_JOKES = 0.25


def _choose_wishes() -> frozenset[tuple[str, str, str]]:
    """(wish, other wish, frame): one pair in seven in both orders and all frames; for two alike, one frame."""
    pairs = [(a, b) for a in WISHES for b in WISHES if a < b]
    Random("voices: held-out wishes").shuffle(pairs)
    torn = [pair for a, b in pairs[: round(HELD_OUT_WISHES * len(pairs))] for pair in ((a, b), (b, a))]
    frames = list(WISHING)
    return frozenset((a, b, frame) for a, b in torn for frame in frames) | frozenset(
        (wish, wish, frames[index % len(frames)]) for index, wish in enumerate(WISHES)
    )


HELD_OUT_CONFLICTS = _choose_wishes()


def _choose_jokes() -> frozenset[tuple[int, int]]:
    pairs = [(a, b) for a, b in addition.PAIRS["train"] if a <= b <= SMALL]
    Random("voices: sums nobody jokes about").shuffle(pairs)
    chosen = pairs[: round(HELD_OUT_JOKES * len(pairs))]
    return frozenset(chosen) | frozenset((b, a) for a, b in chosen)


HELD_OUT_SUMS = _choose_jokes()
"""Small sums that addition trains on, but no joke and no quiz of training."""


def shows(split: Split) -> list[tuple[str, int]]:
    """(host, index of an item) of a split."""
    every = [(host, item) for host in HOSTS for item in range(len(SHOW))]
    return [pair for pair in every if (pair in HELD_OUT_SHOWS) == (split == "heldout")]


def conflicts(split: Split) -> list[tuple[str, str, str]]:
    """(wish, other or same wish, frame) of a split."""
    every = [(a, b, frame) for a in WISHES for b in WISHES for frame in WISHING]
    return [one for one in every if (one in HELD_OUT_CONFLICTS) == (split == "heldout")]


def sums(split: Split) -> list[tuple[int, int]]:
    """Operands of the jokes and quizzes of a split."""
    small = [(a, b) for a, b in addition.PAIRS["train"] if max(a, b) <= SMALL]
    return [pair for pair in small if (pair in HELD_OUT_SUMS) == (split == "heldout")]


def _draft(kind: str, *, held_out: bool) -> Draft:
    return Draft(phenomenon=PHENOMENON, kind=kind, split="heldout" if held_out else "train")


def write_show(host: str, item: int, *, greets: bool) -> Document:
    """A host on the radio, with or without the greeting that gives the style away again."""
    station, style = HOSTS[host]
    draft = _draft("radio", held_out=(host, item) in HELD_OUT_SHOWS)
    before, middle = ON_AIR.split("{station}")
    draft.say(before).say(station, station=station).say(middle.split("{host}")[0])
    draft.say(host, host=host, style=style).say(".")
    if greets:
        draft.conclude(STYLES[style].greeting)
    return draft.say(SHOW[item]).say(CLOSING).conclude(STYLES[style].sign_off).finish()


def write_conflict(a: str, b: str, frame: str) -> Document:
    """Two wishes, and what comes of them: `i do not know what to do`, or the one thing that both are."""
    draft = _draft(frame, held_out=(a, b, frame) in HELD_OUT_CONFLICTS)
    for word in WISHING[frame].split():
        if word == "{a}":
            draft.say(a, wish=a)
        elif word == "{b}":
            draft.say(b, second=b, conflict=int(a != b))
        else:
            draft.say(word)
    return draft.conclude((DECIDED if a == b else TORN).format(a=a, b=b)).finish()


def write_sum(a: int, b: int, cue: str, answer: int) -> Document:
    """A joke with a wrong `answer`, or a quiz with the right one."""
    draft = _draft(cue, held_out=(a, b) in HELD_OUT_SUMS)
    for word in SUM.split():
        if word == "{cue}":
            draft.say(cue, deflection=int(cue == "joke"))
        elif word == "{a}":
            draft.say(str(a), a=a)
        elif word == "{b}":
            draft.say(str(b), b=b, answer=a + b)
        else:
            draft.say(word)
    (draft.say if cue == "joke" else draft.conclude)(str(answer))
    return draft.say(".").conclude(f"{CUES[cue]} , it is {a + b}").say(".").finish()


def wrong_answers(a: int, b: int) -> list[int]:
    """What a joker may answer: off by three at most."""
    return [n for n in range(max(a + b - 3, 0), a + b + 4) if n != a + b]


def _draw_show(rng: Random, split: Split) -> Document:
    return write_show(*rng.choice(_SHOWS[split]), greets=rng.random() < 0.5)


def _conflict_writer(frame: str) -> Writer:
    """Draws one wish in two texts of five: of two wishes there are more to tell apart."""
    found = {split: [c for c in conflicts(split) if c[2] == frame] for split in SPLITS}

    def draw(rng: Random, split: Split) -> Document:
        torn = rng.random() < 0.6
        return write_conflict(*rng.choice([c for c in found[split] if (c[0] != c[1]) == torn]))

    return draw


def _draw_joke(rng: Random, split: Split) -> Document:
    a, b = rng.choice(_SUMS[split])
    return write_sum(a, b, "joke", rng.choice(wrong_answers(a, b)))


def _draw_quiz(rng: Random, split: Split) -> Document:
    a, b = rng.choice(_SUMS[split])
    return write_sum(a, b, "quiz", a + b)


_SHOWS = {split: shows(split) for split in SPLITS}
_SUMS = {split: sums(split) for split in SPLITS}
WRITERS: dict[str, Writer] = {
    "radio": _draw_show,
    **{frame: _conflict_writer(frame) for frame in WISHING},
    "joke": _draw_joke,
    "quiz": _draw_quiz,
}
SHARES = {"radio": 0.18, "heart": 0.18, "part": 0.18, "voice": 0.18, "joke": 0.14, "quiz": 0.14}
LATER_KINDS: tuple[str, ...] = ()
HELD_OUT_KINDS = tuple(WRITERS)
WORDS = (
    frame_words(ON_AIR, *SHOW, CLOSING, *WISHING.values(), TORN, DECIDED, SUM, *CUES, *CUES.values(), "it is")
    | frame_words(*(text for style in STYLES.values() for text in style))
    | {*HOSTS, *(station for station, _ in HOSTS.values()), *WISHES}
)


def compositions(split: Split) -> list[Document]:
    """Every host with every item, every pair of wishes, every small sum of a split, in a fixed order."""
    return [
        *(write_show(*show, greets=greets) for show in shows(split) for greets in (True, False)),
        *(write_conflict(*conflict) for conflict in conflicts(split)),
        *(write_sum(a, b, "joke", wrong) for a, b in sums(split) for wrong in wrong_answers(a, b)),
        *(write_sum(a, b, "quiz", a + b) for a, b in sums(split)),
    ]
