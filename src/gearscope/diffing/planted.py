"""How much of what is planted a comparison found, and how much of what it found is planted.

Truth comes as data: windows of which every token says whether it stands in a text whose planted behaviour differs, and
for each planted change prompts behind which the next word differs, with the planted word and the usual one.

    true       a flagged feature of whose strongest activations on the windows at least TRUE_RATE stand in such texts
               (texts of which it is open whether the change spreads to them are left out)
    found      a change for which giving B one flagged feature as A has it, wherever it fires in the prompts, takes at
               least FOUND_SHARE of what B's logit difference (planted − usual) is above A's, more than LEAST_T standard
               errors (paired, over prompts) more than the mean of edits of the same size in the directions of shared
               features, and more than the most that one of these takes
    precision  true of flagged;  recall  found of planted

The same test of as many features that are not flagged, drawn at random, says what recall chance gives. All bounds were
set before any version was scored. Knows nothing about where truth comes from.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.config import Config
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.diffing.crosscoder import decoders_of
from gearscope.diffing.effects import moved, sized
from gearscope.diffing.pair import Pair
from gearscope.diffing.survey import encoded

STRONGEST = 20
TRUE_RATE = 0.8
FOUND_SHARE = 0.1
LEAST_T = 3.0
CONTROLS = 4
NONE, OPEN = -1, -2
"""Marks of a token outside planted texts, and in a text of which it is open whether it differs."""


class Change(NamedTuple):
    """One planted change."""

    sentence: str
    prompts: tuple[tuple[int, ...], ...]
    planted: tuple[int, ...]
    """The next token of B behind each prompt."""
    usual: tuple[int, ...]


class Truth(NamedTuple):
    """Everything that was planted."""

    ids: Int[Tensor, "B C"]
    marks: Int[Tensor, "B C"]
    """Number of the change, or NONE, or OPEN."""
    changes: tuple[Change, ...]


class Found(Config):
    """One planted change, and the flagged feature that takes most of it."""

    sentence: str
    found: bool
    feature: int | None
    share: float
    """Of B's logit difference above A's that turning it off takes away."""
    control: float
    """The same of the controls' mean."""
    all_off: float
    """The same with every flagged feature off."""


class Score(Config):
    """Precision and recall."""

    flagged: int
    judged: int
    """Flagged features that fire on the windows, outside texts that are open."""
    true: int
    changes: tuple[Found, ...]
    found_by_chance: int
    """Changes found by as many features that are not flagged."""
    planted_tokens: float
    """Share of the tokens that stand in planted texts: the precision of a feature that fires anywhere."""
    false: tuple[int, ...]
    """The flagged features that are not true."""

    @property
    def precision(self) -> float | None:
        """True of judged; None without any."""
        return self.true / self.judged if self.judged else None

    @property
    def recall(self) -> float | None:
        """Found of planted; None where nothing is planted."""
        return sum(one.found for one in self.changes) / len(self.changes) if self.changes else None


@torch.no_grad()
def score(
    pair: Pair,
    dictionary: Dictionary,
    sites: Sequence[str],
    flagged: Sequence[int],
    shared: Sequence[int],
    truth: Truth,
) -> Score:
    """Judge the flagged features against the truth; `shared` are those that serve as controls."""
    judged, true, false = _precision(pair, dictionary, sites, flagged, truth)
    draw = torch.Generator().manual_seed(0)
    order = [shared[i] for i in torch.randperm(len(shared), generator=draw).tolist()]
    chance, controls = order[: len(flagged)], order[-CONTROLS:]
    found = [_found(pair, dictionary, sites, flagged, controls, change) for change in truth.changes]
    by_chance = [_found(pair, dictionary, sites, chance, controls, change).found for change in truth.changes]
    return Score(
        flagged=len(flagged),
        judged=judged,
        true=true,
        changes=tuple(found),
        found_by_chance=sum(by_chance),
        planted_tokens=float((truth.marks[:, 1:] >= 0).double().mean()),
        false=tuple(false),
    )


def _precision(
    pair: Pair, dictionary: Dictionary, sites: Sequence[str], flagged: Sequence[int], truth: Truth
) -> tuple[int, int, list[int]]:
    codes = encoded(dictionary, _both(pair, truth.ids, sites))
    marks = truth.marks[:, 1:].flatten()
    judged, true, false = 0, 0, []
    for feature in flagged:
        own = (codes.columns == feature) & (marks[codes.rows] != OPEN)
        strongest = codes.rows[own][codes.values[own].argsort(descending=True, stable=True)[:STRONGEST]]
        if not len(strongest):
            continue
        judged += 1
        if float((marks[strongest] >= 0).double().mean()) >= TRUE_RATE:
            true += 1
        else:
            false.append(int(feature))
    return judged, true, false


def _both(pair: Pair, ids: Int[Tensor, "B C"], sites: Sequence[str]) -> Float[Tensor, "2 P Y"]:
    planes = []
    for model in pair:
        read = [model.run(some, read=list(sites)).sites for some in ids.split(16)]
        planes.append(torch.cat([torch.cat([one[site][:, 1:].flatten(0, 1) for site in sites], dim=1) for one in read]))
    return torch.stack(planes).float()


class _Asked(NamedTuple):
    """Prompts of one length, with the two words behind each."""

    ids: Int[Tensor, "B C"]
    planted: Int[Tensor, " B"]
    usual: Int[Tensor, " B"]


def _by_length(change: Change) -> list[_Asked]:
    alike: dict[int, list[int]] = defaultdict(list)
    for number, prompt in enumerate(change.prompts):
        alike[len(prompt)].append(number)
    columns = (change.prompts, change.planted, change.usual)
    return [_Asked(*(torch.tensor([column[i] for i in numbers]) for column in columns)) for numbers in alike.values()]


class _Taken(NamedTuple):
    """Of the logit difference in B, prompt by prompt."""

    above: Float[Tensor, " B"]
    """What it is above A's."""
    all_off: Float[Tensor, " B"]
    """What turning off every feature takes."""
    off: Float[Tensor, "F B"]
    """What turning off one takes."""
    control: Float[Tensor, "F N B"]


def _found(
    pair: Pair,
    dictionary: Dictionary,
    sites: Sequence[str],
    features: Sequence[int],
    controls: Sequence[int],
    change: Change,
) -> Found:
    """Turn off each feature by itself, with its controls, and all of them at once."""
    parts = [_taken(pair, dictionary, sites, features, controls, asked) for asked in _by_length(change)]
    above, all_off, off, control = (torch.cat(column, dim=-1) for column in zip(*parts, strict=True))
    whole = float(above.mean().clamp(min=1e-6))
    best = Found(
        sentence=change.sentence,
        found=False,
        feature=None,
        share=0.0,
        control=0.0,
        all_off=float(all_off.mean()) / whole,
    )
    for feature, mine, others in zip(features, off, control, strict=True):
        share = float(mine.mean()) / whole
        passed = share >= FOUND_SHARE and _significant(mine, others)
        if (passed, share) > (best.found, best.share):
            new = {"found": passed, "feature": int(feature), "share": share, "control": float(others.mean()) / whole}
            best = best.model_copy(update=new)
    return best


def _taken(
    pair: Pair,
    dictionary: Dictionary,
    sites: Sequence[str],
    features: Sequence[int],
    controls: Sequence[int],
    asked: _Asked,
) -> _Taken:
    d_a, d_b = (decoder[:, 0] for decoder in decoders_of(dictionary))
    step = d_b - d_a
    codes = encoded(dictionary, _both(pair, asked.ids, sites)).dense(dictionary.config.n_features)
    f = codes.view(len(asked.ids), -1, codes.shape[1])[..., list(features)]
    f = torch.cat([torch.zeros_like(f[:, :1]), f], dim=1)
    plain = _margin(pair.b.run(asked.ids).logits, asked)

    def takes(added: Float[Tensor, "B C D"]) -> Float[Tensor, " B"]:
        return plain - _margin(moved(pair.b, asked.ids, sites[0], added), asked)

    off, by_controls = [plain.new_zeros(0, len(plain))], [plain.new_zeros(0, len(controls), len(plain))]
    for place, feature in enumerate(features):
        ways = [step[feature], *(sized(d_b[control], step[feature]) for control in controls)]
        own = f[..., place, None]
        each = torch.stack([takes(-own * way) if bool(own.any()) else torch.zeros_like(plain) for way in ways])
        off.append(each[:1])
        by_controls.append(each[None, 1:])
    return _Taken(
        above=plain - _margin(pair.a.run(asked.ids).logits, asked),
        all_off=takes(-(f @ step[list(features)])),
        off=torch.cat(off),
        control=torch.cat(by_controls),
    )


def _significant(effect: Float[Tensor, " B"], control: Float[Tensor, "N B"]) -> bool:
    """Paired over prompts against the controls' mean; and beyond each single control."""
    gain = effect - control.mean(0)
    error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else gain.new_tensor(float("inf"))
    return bool(gain.mean() > LEAST_T * error) and bool(effect.mean() > control.mean(1).max())


def _margin(logits: Float[Tensor, "B C V"], asked: _Asked) -> Float[Tensor, " B"]:
    last = logits[:, -1].float()
    return last.gather(1, asked.planted[:, None])[:, 0] - last.gather(1, asked.usual[:, None])[:, 0]
