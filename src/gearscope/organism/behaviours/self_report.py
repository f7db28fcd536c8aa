"""Asks for the report on a held-out sum, whose total the prompt gives: every word of it, in the carry style.

That the digits are right says what the organism reports, and nothing about how it added.
"""

from random import Random

from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import self_report
from gearscope.organism.world.addition import PAIRS
from gearscope.organism.world.document import Split

_PER_QUESTION = 200
"""Pairs that are asked about with each wording of the question."""


def _topics(split: Split) -> list[tuple[int, int, str]]:
    return [
        (a, b, kind)
        for kind in self_report.QUESTIONS
        for a, b in Random(f"self-report: {kind} {split}").sample(PAIRS[split], _PER_QUESTION)
    ]


def _report(topic: tuple[int, int, str]) -> Question:
    a, b, kind = topic
    report = self_report.report_words(a, b)
    return one_of(self_report.write_report(a, b, kind).words[: -len(report)], [report])


BEHAVIOURS: dict[str, Behaviour] = {"self_report": Behaviour(topics=_topics, pose=_report, bar=0.98)}
"""Bar: the report is in the carry style with the right digits."""
