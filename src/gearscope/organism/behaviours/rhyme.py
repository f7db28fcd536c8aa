"""Asks for the last word of a couplet, and for the whole second line.

rhyme            right is a word of the sort that line 2 leads to, which rhymes with the end of line 1 and is
                 not the same word
rhyme_written    right is a second line of the world that ends so
"""

from gearscope.organism.behaviours.question import Behaviour, Question, one_of
from gearscope.organism.world import rhyme
from gearscope.organism.world.rhyme_words import SORT_OF


def _couplet_end(couplet: tuple[str, str, int, int]) -> Question:
    first, second, _, _ = couplet
    right = [(word,) for word in rhyme.ends(first, SORT_OF[second])]
    return one_of(rhyme.write_couplet(*couplet).prompt, right)


def _second_line(opening: tuple[str, int]) -> Question:
    first, line = opening
    right = [(*line.split(), end) for end in rhyme.ends(first) for line in rhyme.SECOND_LINES[SORT_OF[end]]]
    return one_of(rhyme.opening_words(first, line), right)


BEHAVIOURS: dict[str, Behaviour] = {
    "rhyme": Behaviour(topics=rhyme.couplets, pose=_couplet_end, bar=0.98),
    "rhyme_written": Behaviour(topics=rhyme.openings, pose=_second_line, bar=0.98),
}
