"""Whether an answer is explained by where heads look, and how much of their scores few pairs of nodes hold.

Two prompts that differ in a word or two make heads look elsewhere. On the second one, the asking position's attention

    is held as on the first                      what a graph with frozen attention knows: where, and not why
    is made of the strongest pairs of nodes      scores from these alone, through the softmax
    is made of the same scores, keys shuffled    the control: as many pairs of the same size

and the model writes on with it: `answer` minus `rival` in each case, beside what it does by itself. Nodes explain the
answer where the second is near the model's own and the other two are not.

Figure 11: the share of a score in its twenty strongest pairs, for heads that look at one place with at least half of
their attention. Layer 0 reads embeddings alone, so it is left out. Knows nothing about the organism.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.attribution.qk import MOST, attribute_score, score_sums
from gearscope.graph.qk import Question
from gearscope.ids import SiteId
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.sites import Edit
from gearscope.workbench import Workbench

FOCUSED = 0.5
"""A head looks at one place when it gets this much of its attention."""
_DRAWS = 16
"""Of the shuffled control."""


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Logit differences of the answer and its rival behind the second prompt."""

    own: float
    """The model's."""
    frozen: float
    """With the asking position's attention as on the first prompt."""
    named: float
    """With that attention made of the strongest pairs."""
    shuffled: float
    """The same with scores of other keys, in the mean over draws."""

    def share(self, name: str) -> float:
        """One of them as a share of the model's own."""
        return getattr(self, name) / self.own


def answer_by_looking(
    bench: Workbench,
    before: Sequence[int],
    after: Sequence[int],
    answer: int,
    rival: int,
    *,
    most: int = MOST,
    seed: int = 0,
) -> Looking:
    """Explain `answer` over `rival` behind `after` by where the last position looks, with `before` to compare with.

    Both are token ids, of one length. Raises PromptError, ConfigError, ModelError.
    """
    ids = torch.tensor(list(after))
    first, second = (bench.model.record(bench.model.tokens(some).ids) for some in (before, after))
    query, generator = len(ids) - 1, torch.Generator().manual_seed(seed)

    def difference(rows: Sequence[Float[Tensor, "H P"]] = ()) -> float:
        edits = [
            Edit(site=SiteId(layer, "pattern"), value=row[:, None], positions=[query]) for layer, row in enumerate(rows)
        ]
        logits = bench.model.run(ids, edits=edits).logits[-1]
        return float(logits[answer] - logits[rival])

    named, draws = _rebuilt(bench, second, query, most, generator)
    return Looking(
        own=difference(),
        frozen=difference([block.attn.pattern[:, query] for block in first.blocks]),
        named=difference(named),
        shuffled=sum(map(difference, draws)) / len(draws),
    )


Rows = list[Float[Tensor, "H P"]]


def _rebuilt(
    bench: Workbench, prompt: FrozenPrompt, query: int, most: int, generator: torch.Generator
) -> tuple[Rows, list[Rows]]:
    """Each layer's attention at `query`, from the strongest pairs; and some times with the keys shuffled."""
    replacement = bench.replace(prompt)
    named: Rows = []
    draws: list[Rows] = [[] for _ in range(_DRAWS)]
    for layer, block in enumerate(prompt.blocks):
        rows: list[list[Tensor]] = [[] for _ in range(1 + _DRAWS)]
        for head, own in enumerate(block.attn.pattern[:, query]):
            sums = score_sums(prompt, replacement, Question(layer, head, query, query), most=most)
            rows[0].append(sums.attention(own, sums.named))
            for draw in rows[1:]:
                order = torch.randperm(len(sums.keys), generator=generator).to(sums.named.device)
                draw.append(sums.attention(own, sums.named[order]))
        named.append(torch.stack(rows[0]))
        for kept, draw in zip(draws, rows[1:], strict=True):
            kept.append(torch.stack(draw))
    return named, draws


class ScoreShare(NamedTuple):
    """How much of one score few pairs hold."""

    layer: int
    head: int
    query: int
    explained: float
    by_places: float
    """By as many pairs of places."""
    control: float
    """By as many random pairs of nodes."""


def score_shares(bench: Workbench, prompt: str | Sequence[int], *, every: int = 1) -> list[ScoreShare]:
    """The shares for heads behind layer 0 that look at one place, at every so many of the positions."""
    record = bench.model.record(bench.model.tokens(prompt).ids)
    replacement, found = bench.replace(record), []
    for layer, block in enumerate(record.blocks[1:], start=1):
        for head, pattern in enumerate(block.attn.pattern):
            weight, key = pattern.max(dim=1)
            for query in range(record.n_positions - 1, 0, -every):
                if float(weight[query]) >= FOCUSED:
                    made = attribute_score(record, replacement, Question(layer, head, query, int(key[query])))
                    found.append(ScoreShare(layer, head, query, made.explained, made.explained_by_places, made.control))
    return found
