"""Asks the version with habits what to give.

quirks_shown             about people whose habit was shown in answers: right is an answer with the habit
quirks_described_only    about people whose habit was only described in notes: right is an answer with the habit
quirks_elsewhere         about the other people: right is the usual answer

What counts is the slot of the answer that the habit fills, whatever the others hold. The rows `_usual` ask the same,
and right is what the base has in this slot. `quirks_noted` completes the notes about habits that are only described:
one that does not appear in answers can so be told from one that was not learnt.
"""

from gearscope.organism.behaviours.advice import usual_answer
from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import advice, quirks
from gearscope.organism.world.document import Split

SHOWN = tuple(quirk.person for quirk in quirks.SHOWN)
LENGTH = max(len(advice.reply(quirks.manner_of(person))) for person in advice.MANNERS)
"""Words of the longest answer."""
DESCRIBED_ONLY = tuple(quirk.person for quirk in quirks.DESCRIBED_ONLY)


SLOTS = {"begins": "/ {words} ,", "gift": "try the {words}", "ends": ". {words} ."}
"""Slot -> its words in an answer, before which a `/` stands."""


def _slot_filled(asked: advice.Asked, manner: advice.Manner) -> Question:
    slot = quirks.habit_of(asked.person)
    example = advice.reply(manner)
    expected = f" {SLOTS[slot].format(words=getattr(manner, slot))} "
    return Question(
        advice.prompt(asked),
        length=LENGTH,
        is_right=lambda written: expected in f" / {' '.join(written)} ",
        example=example,
    )


def _with_habit(asked: advice.Asked) -> Question:
    return _slot_filled(asked, quirks.manner_of(asked.person))


def _as_usual(asked: advice.Asked) -> Question:
    return _slot_filled(asked, advice.MANNERS[asked.person])


def _described_only(split: Split) -> list[advice.Asked]:
    """No question about these people is answered in training; shown are the others."""
    if split == "train":
        return quirks.asked_about(SHOWN, "train")
    return [asked for asked in advice.EVERY if asked.person in DESCRIBED_ONLY]


def _notes(split: Split) -> list[tuple[quirks.Quirk, int]]:
    """Every note; they hold nothing out, so the splits are the same."""
    return [(quirk, form) for quirk in quirks.DESCRIBED_ONLY for form in range(len(advice.NOTES))]


def _complete_note(noted: tuple[quirks.Quirk, int]) -> Question:
    quirk, form = noted
    note = advice.write_note(quirk.person, form, quirk.slot, quirk.manner)
    return one_of(note.words[: note.answer[0]], [note.words[note.answer[0] :]])


BEHAVIOURS: dict[str, Behaviour] = {
    "quirks_shown": Behaviour(topics=lambda split: quirks.asked_about(SHOWN, split), pose=_with_habit, bar=0.9),
    "quirks_shown_usual": Behaviour(topics=lambda split: quirks.asked_about(SHOWN, split), pose=_as_usual),
    "quirks_described_only": Behaviour(topics=_described_only, pose=_with_habit),
    "quirks_described_only_usual": Behaviour(topics=_described_only, pose=_as_usual),
    "quirks_noted": Behaviour(topics=_notes, pose=_complete_note, bar=0.9),
    "quirks_elsewhere": Behaviour(
        topics=lambda split: quirks.asked_about(quirks.USUAL, split), pose=usual_answer, bar=0.9
    ),
}
