"""One pass of both models over held-out windows: codes, the sums of Latent Scaling, and how the outputs differ.

Codes are kept (k entries per token), activations are not. Tokens are counted without the first position of each window,
row by row: `place_of` says where one stands. Knows nothing about classes.
"""

from collections.abc import Generator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.crosscoder import decoders_of
from gearscope.diffing.pair import Pair
from gearscope.diffing.scaling import Sums, sums_of


class Outputs(NamedTuple):
    """What both models predict behind each token."""

    kl: Float[Tensor, " P"]
    """KL(A ‖ B), nats."""
    loss_a: Float[Tensor, " P"]
    """Of the token that comes next, nats; NaN at the end of a window."""
    loss_b: Float[Tensor, " P"]
    top_a: Int[Tensor, " P"]
    """The likeliest next token."""
    top_b: Int[Tensor, " P"]
    ahead: Float[Tensor, " P"]
    """Of the token itself: log p_B − log p_A, nats; how much more B expected it."""
    sure: Float[Tensor, " P"]
    """Probability that A gives to what it holds likeliest behind it."""
    said: Int[Tensor, " P"]
    """What B says behind it and A does not: the token with the largest p_B (log p_B − log p_A)."""


class Survey(NamedTuple):
    """What was seen."""

    ids: Int[Tensor, "B C"]
    """The windows."""
    codes: Codes
    outputs: Outputs
    sums: Sums
    spread: float
    """Σ ‖b − a − mean‖² over tokens, all sites together."""

    def place_of(self, token: int) -> tuple[int, int]:
        """Window and position of a token."""
        window, position = divmod(token, self.ids.shape[1] - 1)
        return window, position + 1

    def and_then(self, other: "Survey") -> "Survey":
        """Both, one after the other; windows are of one length. `spread` is about each one's own mean."""
        rows = torch.cat([self.codes.rows, other.codes.rows + self.codes.n_rows])
        columns, values = (
            torch.cat([getattr(one.codes, name) for one in (self, other)]) for name in ("columns", "values")
        )
        return Survey(
            torch.cat([self.ids, other.ids]),
            Codes(rows, columns, values, self.codes.n_rows + other.codes.n_rows),
            Outputs(*map(torch.cat, zip(self.outputs, other.outputs, strict=True))),
            self.sums.plus(other.sums),
            self.spread + other.spread,
        )


class Part(NamedTuple):
    """Some windows: both models' activations, sites side by side, and logits."""

    ids: Int[Tensor, "B C"]
    acts: Float[Tensor, "2 P Y"]
    logits: tuple[Float[Tensor, "B C V"], Float[Tensor, "B C V"]]

    def outputs(self) -> Outputs:
        """What both models predict."""
        return compared(*self.logits, self.ids)


@torch.no_grad()
def survey(pair: Pair, dictionary: Dictionary, ids: Int[Tensor, "B C"], sites: Sequence[str], size: int) -> Survey:
    """Read the windows, about `size` tokens per pass."""
    codes, outputs, sums, seen = [], [], [], 0
    total, squares = torch.zeros((), dtype=torch.float64), 0.0
    for part in parts_of(pair, ids, sites, size):
        found = encoded(dictionary, part.acts)
        written = torch.stack([_write(found, d) for d in decoders_of(dictionary)])
        left = part.acts - written - _biases(dictionary)
        sums.append(sums_of(found, left, written, dictionary.config.n_features))
        outputs.append(part.outputs())
        codes.append(found._replace(rows=found.rows + seen))
        seen += found.n_rows
        difference = (part.acts[1] - part.acts[0]).double()
        total, squares = total + difference.sum(0).cpu(), squares + float(difference.square().sum())
    spread = squares - float(total.square().sum()) / seen
    rows, columns, values, _ = zip(*codes, strict=True)
    every = Codes(torch.cat(rows), torch.cat(columns), torch.cat(values), seen)
    joined = Outputs(*(torch.cat(column) for column in zip(*outputs, strict=True)))
    return Survey(ids, every, joined, reduce(lambda one, other: one.plus(other), sums), spread)


@torch.no_grad()
def explained(
    pair: Pair,
    dictionary: Dictionary,
    ids: Int[Tensor, "B C"],
    sites: Sequence[str],
    groups: Bool[Tensor, "G F"],
    size: int,
) -> list[float]:
    """The share of the variance of b − a, all sites together, that each group of features writes; may be below 0."""
    d_a, d_b = decoders_of(dictionary)
    totals, n = [torch.zeros((), dtype=torch.float64)] * (1 + len(groups)), 0
    means: list[Tensor] = [torch.zeros((), dtype=torch.float64)] * (1 + len(groups))
    for part in parts_of(pair, ids, sites, size):
        difference = part.acts[1] - part.acts[0]
        found = encoded(dictionary, part.acts)
        lefts = [difference]
        for group in groups:
            own = group[found.columns]
            kept = Codes(found.rows[own], found.columns[own], found.values[own], found.n_rows)
            lefts.append(difference - _write(kept, d_b - d_a))
        totals = [total + left.double().square().sum() for total, left in zip(totals, lefts, strict=True)]
        means = [mean + left.double().sum(0) for mean, left in zip(means, lefts, strict=True)]
        n += found.n_rows
    spreads = [float(total - mean.square().sum() / n) for total, mean in zip(totals, means, strict=True)]
    return [1 - spread / max(spreads[0], 1e-12) for spread in spreads[1:]]


def encoded(dictionary: Dictionary, acts: Float[Tensor, "2 P Y"]) -> Codes:
    """Codes of both models' activations."""
    by_site = acts.unflatten(2, (-1, dictionary.config.d_model))
    return dictionary.encode(by_site.permute(1, 2, 0, 3).flatten(1, 2))


def compared(a: Float[Tensor, "B C V"], b: Float[Tensor, "B C V"], ids: Int[Tensor, "B C"]) -> Outputs:
    """Both models' predictions at every position but the first."""
    of_a, of_b = a[:, 1:].float().log_softmax(-1), b[:, 1:].float().log_softmax(-1)
    follows = ids[:, 2:, None].to(of_a.device)
    end = of_a.new_full((len(ids), 1), float("nan"))
    losses = [torch.cat([-of[:, :-1].gather(2, follows)[..., 0], end], dim=1).flatten() for of in (of_a, of_b)]
    kl = (of_a.exp() * (of_a - of_b)).sum(-1).flatten()
    (best_a, top_a), top_b = of_a.max(-1), of_b.argmax(-1)
    ahead = _said(b, ids) - _said(a, ids)
    said = (of_b.exp() * (of_b - of_a)).argmax(-1)
    return Outputs(
        kl, *losses, top_a.flatten(), top_b.flatten(), ahead.flatten(), best_a.exp().flatten(), said.flatten()
    )


def _said(logits: Float[Tensor, "B C V"], ids: Int[Tensor, "B C"]) -> Float[Tensor, "B C-1"]:
    """log p of every token but the first of a window."""
    before = logits[:, :-1].float()
    return before.gather(2, ids[:, 1:, None].to(before.device))[..., 0] - before.logsumexp(-1)


def parts_of(pair: Pair, ids: Int[Tensor, "B C"], sites: Sequence[str], size: int) -> Generator[Part]:
    """The windows, about `size` tokens at a time."""
    for some in ids.split(max(1, size // ids.shape[1])):
        runs = [model.run(some, read=sites) for model in pair]
        acts = [torch.cat([run.sites[site][:, 1:].flatten(0, 1) for site in sites], dim=1).float() for run in runs]
        yield Part(some, torch.stack([acts[0], acts[1].to(acts[0])]), (runs[0].logits, runs[1].logits.to(acts[0])))


def _write(codes: Codes, decoder: Float[Tensor, "F S D"]) -> Float[Tensor, "P Y"]:
    """What these codes write with these rows, sites side by side."""
    return torch.nn.functional.embedding_bag(
        codes.columns, decoder.flatten(1), codes.offsets(), mode="sum", per_sample_weights=codes.values
    )


def _biases(dictionary: Dictionary) -> Float[Tensor, "2 1 Y"]:
    return torch.stack([dictionary.b_dec[0::2].flatten(), dictionary.b_dec[1::2].flatten()])[:, None]
