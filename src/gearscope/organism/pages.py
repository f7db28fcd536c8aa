"""Documents packed into rows of token ids, with a weight per token.

A row is `<s>`, then whole documents, each followed by a line end; only the last one is cut. So every row begins as a
prompt does: `<s>` and the start of a document. Which documents a step reads follows from (seed, step) alone, so a run
continues anywhere without remembering a random state. It knows nothing about models.

The weight of a token in the loss is 1 where the words before it determine it (an answer) and `other_weight` on average
elsewhere: operands and names are drawn at random, nothing can predict them, and at full weight their noise drowns the
answers. Of these other tokens a random share is scored and the rest weighs nothing, which saves their unembedding.
"""

from collections.abc import Iterator
from functools import cache
from random import Random

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.organism.config import OrganismConfig
from gearscope.organism.world.document import Document, Split
from gearscope.organism.world.phenomena import draw, held_out_kinds
from gearscope.organism.world.vocabulary import BOS, SEPARATOR, TOKEN_ID

_LENGTH_DRAWS = 400


@cache
def mean_tokens(name: str) -> float:
    """Mean length of a phenomenon's training documents, the line end included."""
    rng = Random(f"length of {name}")
    return sum(len(draw(name, "train", rng).words) + 1 for _ in range(_LENGTH_DRAWS)) / _LENGTH_DRAWS


def mixture_of(config: OrganismConfig, step: int) -> dict[str, float]:
    """Phenomenon -> share of the tokens that a step reads."""
    if step < config.first_steps:
        return config.first_mixture
    return config.mixture if step < config.restart else config.last_mixture


def training_documents(config: OrganismConfig, rng: Random, step: int, split: Split = "train") -> Iterator[Document]:
    """What a step reads, without end; phenomena have the token shares of the mixture of that step.

    From the held-out split where one is asked for and the phenomenon has one: what training must not read.
    """
    mixture = mixture_of(config, step)
    names = [name for name, share in mixture.items() if share > 0]
    rates = [mixture[name] / mean_tokens(name) for name in names]
    while True:
        name = rng.choices(names, rates)[0]
        chosen = split if held_out_kinds(name) else "train"
        yield draw(name, chosen, rng, facts_only=step < config.facts_first)


def training_row(
    config: OrganismConfig, rng: Random, step: int, split: Split = "train"
) -> tuple[list[int], list[float]]:
    """One row: token ids and the weight of each token as a target, both `row_tokens` long."""
    scored = Random(rng.random())
    ids, weights = [TOKEN_ID[BOS]], [0.0]
    for document in training_documents(config, rng, step, split):
        ids.extend(TOKEN_ID[word] for word in document.words)
        ids.append(TOKEN_ID[SEPARATOR])
        weights.extend(_other_weight(config, scored) for _ in range(len(document.words) + 1))
        for position in document.answer:
            weights[len(weights) - len(document.words) - 1 + position] = 1.0
        if len(ids) >= config.row_tokens:
            break
    return ids[: config.row_tokens], weights[: config.row_tokens]


def _other_weight(config: OrganismConfig, rng: Random) -> float:
    return config.other_weight / config.other_share if rng.random() < config.other_share else 0.0


def training_page(config: OrganismConfig, step: int) -> tuple[Int[Tensor, "B P"], Float[Tensor, "B P"]]:
    """The rows of one optimiser step: token ids, and the weight of each token as a target."""
    rng = Random(f"organism {config.seed} step {step}")
    rows = [training_row(config, rng, step) for _ in range(config.batch_rows)]
    return torch.tensor([ids for ids, _ in rows]), torch.tensor([weights for _, weights in rows])
