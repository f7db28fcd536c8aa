"""Everything that is scored of a dictionary set on held-out tokens of a planted world.

    scores = score(truth, dictionaries, tokens=65_536)
    scores = score(truth, dictionaries, drawn=held_out)        blocks that are there already, for many sets

Each dictionary is scored against the truths at the sites that it reads (`Truth.of`). Tokens come in blocks; the dense
codes of one block are the most that exists at a time.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.fidelity import Fidelity, FidelitySums, Readings
from gearscope.dictionaries.selection import Codes
from gearscope.planted.draw import Block
from gearscope.planted.firing import Firing
from gearscope.planted.hops import HopSums
from gearscope.planted.matching import Matching, match
from gearscope.planted.report import HopReport, Recovery, Scores
from gearscope.planted.stream import HELD_OUT, blocks
from gearscope.planted.truth import Truth

FOUND_AT = (0.7, 0.9)
"""Cosines at which a truth counts as found."""


@torch.no_grad()
def score(
    truth: Truth, dictionaries: DictionarySet, *, tokens: int = 0, drawn: Iterable[Block] | None = None
) -> Scores:
    """The scores, from so many held-out tokens or from blocks that are `drawn` already.

    Raises ConfigError when a dictionary reads or writes a site that the world has not.
    """
    ones = [_One(truth, dictionary) for dictionary in dictionaries.dictionaries]
    fidelity = FidelitySums(dictionaries)
    hops = HopSums(truth, dictionaries) if len(truth.hops.first) else None
    for block in blocks(truth, HELD_OUT, tokens) if drawn is None else drawn:
        acts = readings(truth, block)
        codes = fidelity.add(acts).codes
        for one, found in zip(ones, codes, strict=True):
            one.add(found, block.codes)
        if hops is not None:
            hops.add(block.codes, codes)
    measured = fidelity.result()
    rows = tuple(one.recovery(measured, number) for number, one in enumerate(ones))
    return Scores(dictionaries=rows, hops=None if hops is None else HopReport(**hops.result()._asdict()))


def readings(truth: Truth, block: Block) -> Readings:
    """The activations of a block by site."""
    return dict(zip(truth.sites, block.acts.unbind(1), strict=True))


class _One:
    """One dictionary against its truths."""

    def __init__(self, truth: Truth, dictionary: Dictionary) -> None:
        self.config, self.truths = dictionary.config, truth.of(dictionary.config)
        decoders = dictionary.W_dec.flatten(1).float()
        written = truth.written(self.config)[self.truths]
        self.matching: Matching = match(decoders, written)
        self.firing = Firing(self.matching, decoders, written, _among(self.truths, truth.parents()))
        self.active_truths, self.n_tokens = 0.0, 0

    def add(self, codes: Codes, truths: Float[Tensor, "P U"]) -> None:
        """Some tokens: its codes, and the activations of all truths of the world."""
        fires = truths[:, self.truths] > 0
        self.firing.add(codes.dense(self.config.n_features) != 0, fires)
        self.active_truths += float(fires.sum())
        self.n_tokens += len(fires)

    def recovery(self, measured: Fidelity, number: int) -> Recovery:
        """The figures; `number` is its place in the set."""
        features, writes = measured.features[number], self.config.writes
        precision, recall, f1 = self.firing.matched.detection()
        return Recovery(
            reads="+".join(self.config.reads),
            writes="+".join(writes),
            truths=len(self.truths),
            latents=self.config.n_features,
            mcc=self.matching.mcc,
            mcc_shuffled=self.firing.control.mcc,
            found={f"{cosine:g}": self.matching.found(cosine) for cosine in FOUND_AT},
            uniqueness=self.matching.uniqueness,
            splitting=self.matching.splitting,
            precision=precision,
            recall=recall,
            f1=f1,
            f1_shuffled=self.firing.shuffled.detection().f1,
            f1_by_latent=self.firing.by_latent.detection().f1,
            absorption=self.firing.absorption(),
            missed=self.firing.missed(),
            dead=features.dead,
            l0=features.l0,
            l0_true=self.active_truths / self.n_tokens,
            nmse=sum(measured.nmse[site] for site in writes) / len(writes),
            nmse_shuffled=sum(measured.nmse_shuffled[site] for site in writes) / len(writes),
        )


def _among(truths: Int[Tensor, " J"], parents: Int[Tensor, " U"]) -> Int[Tensor, " J"]:
    """The parents of some truths, as numbers among them; -1 where there is none, or none of them is."""
    place = torch.full((len(parents) + 1,), -1)
    place[truths] = torch.arange(len(truths))
    return place[parents[truths]]
