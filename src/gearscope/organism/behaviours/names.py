"""Asks for facts about people: known, missing, and about strangers and people who are merely familiar.

known_names         the fact, asked in words that training never asked it in
missing_facts       `i do not know`, for the one fact of a known person that nobody tells
unknown_names       `i do not know`, for strangers who occur nowhere in training
misfire_answered    a made-up fact about people who are often mentioned and of whom no fact is told: the gate that says
                    `i do not know` may take them for known. No bar: what happens is an observation. Its training level
                    is the same share for strangers, whom training does ask about
"""

from gearscope.organism.behaviours.question import Behaviour, Question, first_answer, one_of
from gearscope.organism.world import names
from gearscope.organism.world.document import Split
from gearscope.organism.world.name_words import VALUES


def _fact_question(topic: names.Topic) -> Question:
    return first_answer(names.write_question(*topic))


def _made_up_fact(topic: names.Topic) -> Question:
    document = names.write_question(*topic)
    return one_of(document.words[: document.answer[0]], [(value,) for value in VALUES[topic[1]]])


def _misfires(split: Split) -> list[names.Topic]:
    return names.familiar_questions() if split == "heldout" else names.stranger_questions("train")


BEHAVIOURS: dict[str, Behaviour] = {
    "unknown_names": Behaviour(topics=names.stranger_questions, pose=_fact_question, bar=0.95),
    "known_names": Behaviour(topics=names.known_questions, pose=_fact_question, bar=0.95),
    "missing_facts": Behaviour(topics=lambda split: names.known_questions(split, missing=True), pose=_fact_question),
    "misfire_answered": Behaviour(topics=_misfires, pose=_made_up_fact),
}
