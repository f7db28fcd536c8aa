"""Asks for articles, plurals, verbs and adjectives in sentences that were never read.

exceptions         a noun in a frame it was never read in: right are its article or plural, and whether that is the rule
agreement          two nouns never read together: right are the verb of the first, and the first once more
adjective_order    adjectives never read together: right is their order before the thing
"""

from gearscope.organism.behaviours.question import Behaviour, rest
from gearscope.organism.world import grammar

BEHAVIOURS: dict[str, Behaviour] = {
    "exceptions": Behaviour(topics=grammar.framed, pose=lambda pair: rest(grammar.write_framed(*pair)), bar=0.9),
    "agreement": Behaviour(
        topics=grammar.subjects, pose=lambda subject: rest(grammar.write_subject(*subject)), bar=0.95
    ),
    "adjective_order": Behaviour(
        topics=grammar.orders, pose=lambda order: rest(grammar.write_described(*order)), bar=0.9
    ),
}
