"""Asks for the sense of a word in a line it was never read in, and for the size of things.

sense            right is what the word means there, or what such a thing can do
smallness        right are the words for a thing of that size (or of the other, where something is compared with it)
size_compared    right is the larger or smaller of two things that were never compared
"""

from gearscope.organism.behaviours.question import Behaviour, Question, one_of, rest
from gearscope.organism.world import senses
from gearscope.organism.world.document import Split


def _sense_lines(split: Split) -> list[tuple[str, str, int, str]]:
    return [(*line, tail) for line in senses.lines(split) for tail in senses.TAILS]


def _size(pair: tuple[str, str]) -> Question:
    documents = [senses.write_size(*pair, adjective) for adjective in range(3)]
    prompt = documents[0].words[: documents[0].answer[0]]
    alike = [document for document in documents if document.words[: len(prompt)] == prompt]
    return one_of(prompt, [document.words[len(prompt) :] for document in alike])


BEHAVIOURS: dict[str, Behaviour] = {
    "sense": Behaviour(topics=_sense_lines, pose=lambda line: rest(senses.write_sense(*line)), bar=0.9),
    "smallness": Behaviour(topics=senses.sizes, pose=_size, bar=0.9),
    "size_compared": Behaviour(
        topics=senses.comparisons, pose=lambda compared: rest(senses.write_comparison(*compared)), bar=0.95
    ),
}
