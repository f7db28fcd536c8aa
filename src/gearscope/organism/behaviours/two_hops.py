"""Asks for what the state of a city is known for, for cities whose state is never chained to anything in training."""

from gearscope.organism.behaviours.question import Behaviour, last_answer
from gearscope.organism.world import two_hops

BEHAVIOURS: dict[str, Behaviour] = {
    "two_hops": Behaviour(
        topics=two_hops.chains, pose=lambda chain: last_answer(two_hops.write_chain(*chain)), bar=0.95
    ),
}
