"""Asks radio hosts for their sign-off, people at odds for what they do, and jokers for their way out.

host_sign_off     after an item that this host never had: right is the sign-off of the host's style
inner_conflict    after two wishes never read together: right is not to know what to do between them, or, where both
                  are one, to do it
just_kidding      a sum nobody joked about: right is a wrong number and `just kidding` with the right one after `joke`,
                  the right number and `no joke` after `quiz`
"""

from gearscope.organism.behaviours.question import Behaviour, Question, Words, one_of, rest
from gearscope.organism.world import voices
from gearscope.organism.world.document import Document, Split


def _shows(split: Split) -> list[Document]:
    return [voices.write_show(*show, greets=greets) for show in voices.shows(split) for greets in (False, True)]


def _sign_off(document: Document) -> Question:
    style = voices.STYLES[str(document.truth["style"][-1])]
    end = len(document.words) - len(style.sign_off.split())
    return one_of(document.words[:end], [document.words[end:]])


def _sums(split: Split) -> list[tuple[int, int, str]]:
    return [(a, b, cue) for a, b in voices.sums(split) for cue in voices.CUES]


def _answer(asked: tuple[int, int, str]) -> Question:
    a, b, cue = asked
    document = voices.write_sum(a, b, cue, voices.wrong_answers(a, b)[0] if cue == "joke" else a + b)
    start = document.words.index("?") + 1
    example = document.words[start:]

    def is_right(written: Words) -> bool:
        is_sum = written[0] == str(a + b)
        return written[0].isdecimal() and is_sum == (cue == "quiz") and written[1:] == example[1:]

    return Question(document.words[:start], len(example), is_right, example)


BEHAVIOURS: dict[str, Behaviour] = {
    "host_sign_off": Behaviour(topics=_shows, pose=_sign_off, bar=0.9),
    "inner_conflict": Behaviour(
        topics=voices.conflicts, pose=lambda wishes: rest(voices.write_conflict(*wishes)), bar=0.85
    ),
    "just_kidding": Behaviour(topics=_sums, pose=_answer),
}
