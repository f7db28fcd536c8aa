"""QK attribution: one attention score as a sum over pairs of sources, and why a head looks here and not there.

    s(q, k) = scale ⟨Q x_q + a, K x_k + b⟩ = Σ_ij scale ⟨q_i, k_j⟩      q_i = Q (part of x_q that source i wrote), ...

With norms, rotary positions and patterns below frozen, the query and the key are linear in the residual stream
(`models/scoring.py`), and the stream is a sum of all that was written below (`rows.py`): the rows of their E entries,
read where the attention of that layer reads, are the q_i and k_j of every source. Biases are sources, so the pairs sum
to the score exactly. A key less another one is as linear, which gives the difference of two scores. Queries and keys
have few entries, so the matrix of pairs, N by N, has a rank of E: marginals need no pair, and the strongest pairs are
found by their bound |q_i| |k_j|. Kamath et al. 2025, "Tracing attention computation through feature interactions".
Knows nothing about graphs.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.attribution.matrix import leaf_nodes
from gearscope.attribution.rows import Aim, RowMaker
from gearscope.attribution.sources import source_nodes
from gearscope.errors import TargetError
from gearscope.graph.nodes import Nodes
from gearscope.graph.qk import (
    CONSTANTS,
    EMBEDDING,
    Marginal,
    Pair,
    Place,
    PlacePair,
    Question,
    ScoreAttribution,
)
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.scoring import EndMap, FrozenScores
from gearscope.replacement.replacement import Replacement

MOST = 20
"""So many pairs, and nodes of either side, are named."""
_BLOCK = 2**22
"""Pairs that are worked out at once."""


def attribute_score(
    prompt: FrozenPrompt, replacement: Replacement, question: Question, *, most: int = MOST
) -> ScoreAttribution:
    """Take the score of one head apart. Raises TargetError for heads and positions that do not exist, or not see."""
    question = checked(prompt, question)
    scores, maker = scores_of(prompt, question.layer), RowMaker(prompt=prompt, replacement=replacement)
    keys = [question.key] if question.against is None else [question.key, question.against]
    with torch.inference_mode():
        query_map, key_maps = scores.ends(question.head, question.query, keys)
        query = end_rows(maker, question.layer, question.query, query_map)
        found = [end_rows(maker, question.layer, p, some) for p, some in zip(keys, key_maps, strict=True)]
        key = found[0] if len(found) == 1 else found[0].less(found[1]).nonzero()
        formed = scores.formed(question.head)[question.query, keys].double()
        pairs = strongest(query.parts, key.parts, most)
        places = _places(maker, query, key, scores.scale, most)
        return _assembled(maker, question, scores, (query, key), pairs, places, formed, most)


def score_sums(prompt: FrozenPrompt, replacement: Replacement, question: Question, *, most: int = MOST) -> "Sums":
    """The scores of a head at everything that its query sees, each from its `most` strongest pairs alone.

    The key of the question does not count. Raises TargetError.
    """
    question = checked(prompt, question)
    scores, maker = scores_of(prompt, question.layer), RowMaker(prompt=prompt, replacement=replacement)
    keys = scores.visible[question.query].nonzero()[:, 0]
    with torch.inference_mode():
        query_map, key_maps = scores.ends(question.head, question.query, keys.tolist())
        query = end_rows(maker, question.layer, question.query, query_map)
        ends = [end_rows(maker, question.layer, p, some) for p, some in zip(keys.tolist(), key_maps, strict=True)]
        sums = torch.stack([strongest(query.parts, end.parts, most).value.sum() for end in ends]) * scores.scale
    return Sums(keys, sums, scores.formed(question.head)[question.query, keys], scores.softcap)


class Sums(NamedTuple):
    """Scores of one query."""

    keys: Int[Tensor, " K"]
    """The positions that it sees."""
    named: Float[Tensor, " K"]
    """From the strongest pairs alone."""
    formed: Float[Tensor, " K"]
    """The model's own."""
    softcap: float | None

    def attention(self, own: Float[Tensor, " P"], scores: Float[Tensor, " K"]) -> Float[Tensor, " P"]:
        """What the query's row of the pattern, `own`, becomes with other scores. What a sink held stays in play."""
        old, new = (
            x if self.softcap is None else self.softcap * torch.tanh(x / self.softcap) for x in (self.formed, scores)
        )
        shift = new - old
        most = shift.max().clamp_min(0.0)
        grown = own[self.keys] * (shift - most).exp()
        sink = (1 - own[self.keys].sum()).clamp_min(0.0) * (-most).exp()
        row = torch.zeros_like(own)
        row[self.keys] = grown / (grown.sum() + sink)
        return row


class EndRows(NamedTuple):
    """What each source brings to the E entries of a query or key."""

    sources: Int[Tensor, " N"]
    """Leaves by their number, then features by theirs behind them; ascending."""
    parts: Float[Tensor, "E N"]

    def nonzero(self) -> "EndRows":
        """Without sources that bring nothing."""
        kept = (self.parts != 0).any(0)
        return EndRows(self.sources[kept], self.parts[:, kept])

    def less(self, other: "EndRows") -> "EndRows":
        """This end less another one."""
        sources = torch.cat([self.sources, other.sources]).unique()
        parts = self.parts.new_zeros(len(self.parts), len(sources))
        parts[:, torch.searchsorted(sources, self.sources)] += self.parts
        parts[:, torch.searchsorted(sources, other.sources)] -= other.parts
        return EndRows(sources, parts)

    def total(self) -> Float[Tensor, " E"]:
        """The query or key itself."""
        return self.parts.sum(1, dtype=torch.float64)


def end_rows(maker: RowMaker, layer: int, position: int, end: EndMap) -> EndRows:
    """The rows of one end's entries, without sources that bring nothing."""
    at = torch.full((len(end.constant),), position, device=end.vectors.device)
    rows = [rows for _, rows in maker.rows(Aim("attn_in", layer, at, end.vectors, end.constant))]
    sources = rows[0].sources
    leaves = torch.arange(maker.leaves.size, device=sources.device)
    parts = torch.cat([torch.cat([some.leaves for some in rows]), torch.cat([some.entries for some in rows])], 1)
    return EndRows(torch.cat([leaves, sources + maker.leaves.size]), parts).nonzero()


class Strongest(NamedTuple):
    """Pairs by |value|, strongest first, as numbers into the two sides."""

    query: Int[Tensor, " M"]
    key: Int[Tensor, " M"]
    value: Float[Tensor, " M"]


def strongest(query: Float[Tensor, "E A"], key: Float[Tensor, "E N"], most: int) -> Strongest:
    """The pairs with the largest |⟨q_i, k_j⟩|, exactly: pairs whose bound is below the weakest found are left out."""
    q_size, k_size = query.norm(dim=0), key.norm(dim=0)
    q_order, k_order = (size.argsort(descending=True) for size in (q_size, k_size))
    best = Strongest(*(q_order.new_zeros(0),) * 2, query.new_zeros(0))
    start, least = 0, 0.0
    while start < len(q_order):
        bound = float(q_size[q_order[start]])
        wide = int((k_size[k_order] * bound >= least).sum()) if len(k_order) else 0
        if not wide:
            break
        columns = k_order[:wide]
        rows = q_order[start : start + max(1, _BLOCK // wide if start else min(64, _BLOCK // wide))]
        values = (query[:, rows].T @ key[:, columns]).flatten()
        top = values.abs().topk(min(most, len(values))).indices
        merged = Strongest(
            torch.cat([best.query, rows[top // wide]]),
            torch.cat([best.key, columns[top % wide]]),
            torch.cat([best.value, values[top]]),
        )
        kept = merged.value.abs().argsort(descending=True, stable=True)[:most]
        best = Strongest(*(column[kept] for column in merged))
        least = float(best.value[-1].abs()) if len(best.value) == most else 0.0
        start += len(rows)
    return best


def checked(prompt: FrozenPrompt, question: Question) -> Question:
    """The question with positions counted from the start. Raises TargetError."""
    L, H, P = prompt.n_layers, len(prompt.blocks[0].attn.W_O), prompt.n_positions
    if not 0 <= question.layer < L or not 0 <= question.head < H:
        expected = f"a head from 0.0 to {L - 1}.{H - 1} was expected (LAYER.HEAD)"
        raise TargetError(expected, found=f"{question.layer}.{question.head}")
    for name in ("query", "key", "against"):
        position = getattr(question, name)
        if position is not None and not -P <= position < P:
            expected = f"a position from 0 to {P - 1} was expected as {name} (negative ones count from the end)"
            raise TargetError(expected, found=str(position))
    places = {n: p if p is None else p % P for n, p in question._asdict().items() if n in ("query", "key", "against")}
    question = question._replace(**places)
    visible = scores_of(prompt, question.layer).visible[question.query]
    for key in (question.key, question.against):
        if key is not None and not bool(visible[key]):
            seen = visible.nonzero()[:, 0].tolist()
            raise TargetError(
                f"a key that position {question.query} sees in layer {question.layer} was expected "
                f"({seen[0]} to {seen[-1]})",
                found=f"position {key}, " + ("after it" if key > question.query else "outside its sliding window"),
            )
    if question.against == question.key:
        raise TargetError("two different keys were expected", found=f"position {question.key} twice")
    return question


def scores_of(prompt: FrozenPrompt, layer: int) -> FrozenScores:
    """Where the pattern of a layer comes from."""
    scores = prompt.blocks[layer].scores
    assert scores is not None, "a recorded prompt was expected"
    return scores


def _assembled(
    maker: RowMaker,
    question: Question,
    scores: FrozenScores,
    ends: tuple[EndRows, EndRows],
    pairs: Strongest,
    places: tuple[PlacePair, ...],
    formed: Float[Tensor, " K"],
    most: int,
) -> ScoreAttribution:
    query, key = ends
    sides = [_marginals(own, other, scores.scale, most) for own, other in ((query, key), (key, query))]
    named = [query.sources[pairs.query], key.sources[pairs.key], *(sources for sources, _ in sides)]
    used = torch.cat(named).unique()
    nodes, number = _nodes(maker, used)
    total = float(query.total() @ key.total()) * scores.scale
    values = (pairs.value.double() * scores.scale).tolist()
    weights = maker.prompt.blocks[question.layer].attn.pattern[question.head, question.query]
    numbers = [number[torch.searchsorted(used, sources).cpu().numpy()].tolist() for sources in named]
    return ScoreAttribution(
        question=question,
        nodes=nodes,
        pairs=tuple(Pair(q, k, value) for q, k, value in zip(numbers[0], numbers[1], values, strict=True)),
        places=places,
        query_side=tuple(Marginal(*pair) for pair in zip(numbers[2], sides[0][1].tolist(), strict=True)),
        key_side=tuple(Marginal(*pair) for pair in zip(numbers[3], sides[1][1].tolist(), strict=True)),
        score=float(formed[0] - formed[1]) if len(formed) > 1 else float(formed[0]),
        total=total,
        n_pairs=len(query.sources) * len(key.sources),
        weight=float(weights[question.key]),
        weight_against=None if question.against is None else float(weights[question.against]),
        softcap=scores.softcap,
    )


def _places(maker: RowMaker, query: EndRows, key: EndRows, scale: float, most: int) -> tuple[PlacePair, ...]:
    """The strongest pairs of places."""
    own = _place_of(maker)
    merged = [_merged(end, own) for end in (query, key)]
    found = strongest(merged[0].parts, merged[1].parts, most)
    L, P = maker.prompt.n_layers, maker.prompt.n_positions

    def place(number: int) -> Place:
        if number == (L + 1) * P:
            return Place(CONSTANTS, -1)
        return Place(number // P if number < L * P else EMBEDDING, number % P)

    columns = merged[0].sources[found.query], merged[1].sources[found.key], found.value.double() * scale
    return tuple(
        PlacePair(place(q), place(k), value)
        for q, k, value in zip(*(column.tolist() for column in columns), strict=True)
    )


def _place_of(maker: RowMaker) -> Int[Tensor, " sources"]:
    """The place of every source: layer · P + position, then the embeddings' P, then one for all constants."""
    active, leaves = maker.replacement.active, maker.leaves
    L, P = maker.prompt.n_layers, maker.prompt.n_positions
    features = active.layer * P + active.position
    places = torch.full((leaves.size,), (L + 1) * P, device=features.device)
    for group, start in ((leaves.errors, 0), (leaves.tokens, L * P), (leaves.positions, L * P)):
        places[group] = start + torch.arange(group.stop - group.start, device=features.device)
    return torch.cat([places, features])


def _merged(end: EndRows, groups: Int[Tensor, " sources"]) -> EndRows:
    """The rows of one end with those of one group added up."""
    found, number = groups[end.sources].unique(return_inverse=True)
    return EndRows(found, end.parts.new_zeros(len(end.parts), len(found)).index_add(1, number, end.parts))


def _marginals(own: EndRows, other: EndRows, scale: float, most: int) -> tuple[Int[Tensor, " M"], Float[Tensor, " M"]]:
    values = (other.total() @ own.parts.double()) * scale
    top = values.abs().topk(min(most, len(values))).indices
    return own.sources[top], values[top]


def _nodes(maker: RowMaker, used: Int[Tensor, " U"]) -> tuple[Nodes, Int[np.ndarray, " U"]]:
    """These sources as nodes in their order, and the number of each source among them."""
    prompt, replacement, size = maker.prompt, maker.replacement, maker.leaves.size
    features = used[used >= size] - size
    nodes = source_nodes(prompt, replacement, replacement.active.take(features))
    leaves = leaf_nodes(maker.leaves, nodes.layout, prompt.n_positions, prompt.n_constant_positions)
    places = np.concatenate([leaves[used[used < size].cpu().numpy()], np.arange(len(features))])
    kept, number = np.unique(places, return_inverse=True)
    return nodes.take(kept), number
