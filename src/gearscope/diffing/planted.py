"""How much of what is planted a comparison found, and how much of what it found is planted.

Truth comes as data: held-out windows of which every token says whether it stands in a text whose planted behaviour
differs, and for each planted change prompts behind which the next word differs, with the planted word and the usual
one. Prompts of one kind are an `Asking`; a change may be asked in several kinds (a note, an answer). What is found is
a `Flag`: features of a dictionary, and the site at which they are turned.

    shown      an asking behind which B holds the planted word above the usual one in most prompts, and A does not
    concentrated   a flag of whose STRONGEST activations at least TRUE_RATE stand in planted texts (texts of which it is
               open whether the change spreads to them are left out)
    moves      a flag moves a shown asking if turning it off takes at least FOUND_SHARE of what B's logit difference
               (planted − usual) is above A's, more than LEAST_T standard errors (paired, over prompts) more than the
               mean of edits of the same size in other directions, and more than the most that one of these takes
    true       a flag that is concentrated and moves an asking; it answers to the one change that it moves most
    precision  true of flagged;  recall  changes to which a true flag answers, of all with a shown asking

So one flag finds one change at most, and a group of everything finds one. The same test of as many groups of features
that are not flagged, drawn at random, says what chance gives. The bounds were set before any version was scored. Knows
nothing about where truth comes from.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.config import Config
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.effects import moved
from gearscope.diffing.pair import Pair
from gearscope.diffing.turning import fired_on, in_the_direction_of, step_of

STRONGEST = 20
TRUE_RATE = 0.8
FOUND_SHARE = 0.1
LEAST_T = 3.0
CONTROLS = 4
NONE, OPEN = -1, -2
"""Marks of a token outside planted texts, and in a text of which it is open whether it differs."""


class Asking(NamedTuple):
    """Prompts of one kind, with the two words behind each."""

    prompts: tuple[tuple[int, ...], ...]
    planted: tuple[int, ...]
    """The next token of B behind each prompt."""
    usual: tuple[int, ...]


class Planted(NamedTuple):
    """One planted change."""

    sentence: str
    askings: tuple[Asking, ...]


class Truth(NamedTuple):
    """Everything that was planted."""

    marks: Int[Tensor, "B C"]
    """Of every token of the held-out windows: number of a change, or NONE, or OPEN."""
    changes: tuple[Planted, ...]


class Flag(NamedTuple):
    """Something that a comparison says is different."""

    features: tuple[int, ...]
    site: int


class Compared(NamedTuple):
    """What is judged: a crosscoder of both models, its codes on the held-out windows, and what it flags."""

    dictionary: Dictionary
    sites: tuple[str, ...]
    codes: Codes
    flags: tuple[Flag, ...]
    one_each: bool
    """Whether only the strongest feature of a token counts."""


class Judged(Config):
    """One flag."""

    features: int
    planted_texts: float | None
    """Share of its strongest activations that stand in planted texts; None where it fires in open ones alone."""
    moves: str | None
    """The sentence of the change that it moves most."""
    taken: float
    """Of B's logit difference above A's, what turning it off takes there; 0 where it moves none."""
    taken_control: float
    true: bool


class Found(Config):
    """One planted change."""

    sentence: str
    shown: bool
    """Whether B does it at all."""
    flags: int
    """True flags that answer to it."""


class Score(Config):
    """Precision and recall."""

    flags: tuple[Judged, ...]
    changes: tuple[Found, ...]
    found_by_chance: int
    """Changes found by as many groups of features that are not flagged."""
    planted_tokens: float
    """Share of the tokens outside open texts that stand in planted ones: that of a feature that fires anywhere."""

    @property
    def precision(self) -> float | None:
        """True of those flagged that fire outside open texts; None without any."""
        judged = [one.true for one in self.flags if one.planted_texts is not None]
        return sum(judged) / len(judged) if judged else None

    @property
    def recall(self) -> float | None:
        """Found of shown; None where nothing is."""
        shown = [one for one in self.changes if one.shown]
        return sum(one.flags > 0 for one in shown) / len(shown) if shown else None


@torch.no_grad()
def score(pair: Pair, compared: Compared, truth: Truth, *, seed: int = 0) -> Score:
    """Judge the flags against the truth."""
    flagged = {feature for flag in compared.flags for feature in flag.features}
    fired = compared.codes.columns.bincount(minlength=compared.dictionary.config.n_features)
    others = [i for i in range(len(fired)) if i not in flagged and fired[i] > 0]
    draw = torch.Generator().manual_seed(seed)
    order = [others[i] for i in torch.randperm(len(others), generator=draw).tolist()]
    controls, spare = order[:CONTROLS], order[CONTROLS:]
    by_chance = []
    for flag in compared.flags:
        by_chance.append(Flag(tuple(spare[: len(flag.features)]), flag.site))
        spare = spare[len(flag.features) :]
    askings = [(number, one) for number, change in enumerate(truth.changes) for one in change.askings]
    tried = [(number, _Tried(pair, compared, asking, controls)) for number, asking in askings]
    judged = [_judged(compared, flag, truth, tried) for flag in compared.flags]
    answered, marks = [one.moves for one in judged if one.true], truth.marks[:, 1:]
    rates = [_planted_rate(compared.codes, flag, marks.flatten()) for flag in by_chance]
    likely = [flag for flag, rate in zip(by_chance, rates, strict=True) if rate is not None and rate >= TRUE_RATE]
    chance = [_judged(compared, flag, truth, tried) for flag in likely]  # no other one can be true
    return Score(
        flags=tuple(judged),
        changes=tuple(
            Found(
                sentence=change.sentence,
                shown=any(one.shown for mine, one in tried if mine == number),
                flags=answered.count(change.sentence),
            )
            for number, change in enumerate(truth.changes)
        ),
        found_by_chance=len({one.moves for one in chance if one.true}),
        planted_tokens=float((marks[marks != OPEN] >= 0).double().mean()) if bool((marks != OPEN).any()) else 0.0,
    )


def _judged(compared: Compared, flag: Flag, truth: Truth, tried: "list[tuple[int, _Tried]]") -> Judged:
    rate = _planted_rate(compared.codes, flag, truth.marks[:, 1:].flatten())
    best: tuple[float, float, int | None] = (0.0, 0.0, None)
    for number, asking in tried:
        if asking.shown:
            taken, control, passed = asking.taken_by(flag)
            if passed and taken > best[0]:
                best = (taken, control, number)
    moves = None if best[2] is None else truth.changes[best[2]].sentence
    return Judged(
        features=len(flag.features),
        planted_texts=rate,
        moves=moves,
        taken=best[0],
        taken_control=best[1],
        true=moves is not None and rate is not None and rate >= TRUE_RATE,
    )


def _planted_rate(codes: Codes, flag: Flag, marks: Int[Tensor, " P"]) -> float | None:
    own = torch.isin(codes.columns, torch.tensor(flag.features)) & (marks[codes.rows] != OPEN)
    strongest = codes.rows[own][codes.values[own].argsort(descending=True, stable=True)[:STRONGEST]]
    return float((marks[strongest] >= 0).double().mean()) if len(strongest) else None


class _Alike(NamedTuple):
    """Prompts of one length, run once."""

    ids: Int[Tensor, "B C"]
    planted: Int[Tensor, " B"]
    usual: Int[Tensor, " B"]
    f: Float[Tensor, "B C F"]
    plain: Float[Tensor, " B"]
    """B's logit difference."""
    before: Float[Tensor, " B"]
    """A's."""


class _Tried:
    """An asking, and what turning flags off does to it."""

    def __init__(self, pair: Pair, compared: Compared, asking: Asking, controls: Sequence[int]) -> None:
        self._pair, self._compared, self._controls = pair, compared, controls
        self._parts = [self._run(asking, numbers) for numbers in _by_length(asking.prompts)]
        plain, before = (torch.cat([getattr(part, name) for part in self._parts]) for name in ("plain", "before"))
        self._above = float((plain - before).mean().clamp(min=1e-6))
        self.shown = bool((plain > 0).double().mean() > 0.5) and bool((before < 0).double().mean() > 0.5)

    def _run(self, asking: Asking, numbers: list[int]) -> _Alike:
        ids, planted, usual = (torch.tensor([column[i] for i in numbers]) for column in asking)
        f = fired_on(self._pair, self._compared.dictionary, self._compared.sites, ids, self._compared.one_each)
        before, plain = (_margin(model.run(ids).logits, planted, usual) for model in self._pair)
        return _Alike(ids, planted, usual, f, plain, before)

    def taken_by(self, flag: Flag) -> tuple[float, float, bool]:
        """Of the logit difference above A's: what it takes, what its controls take, and whether it moves the asking."""
        parts = [self._taken(part, flag) for part in self._parts]
        off, control = (torch.cat(column, dim=-1) for column in zip(*parts, strict=True))
        share = float(off.mean()) / self._above
        return share, float(control.mean()) / self._above, share >= FOUND_SHARE and _significant(off, control)

    def _taken(self, part: _Alike, flag: Flag) -> tuple[Float[Tensor, " B"], Float[Tensor, "N B"]]:
        dictionary, nothing = self._compared.dictionary, torch.zeros_like(part.plain)
        if not bool(part.f[..., list(flag.features)].any()):
            return nothing, nothing.expand(max(1, len(self._controls)), -1)
        step = step_of(dictionary, part.f, flag.features, flag.site)
        others = [in_the_direction_of(dictionary, control, flag.site, step) for control in self._controls]
        taken = [self._takes(part, flag.site, -added) for added in (step, *others)]
        return taken[0], torch.stack(taken[1:]) if others else nothing[None]

    def _takes(self, part: _Alike, site: int, added: Float[Tensor, "B C D"]) -> Float[Tensor, " B"]:
        logits = moved(self._pair.b, part.ids, self._compared.sites[site], added)
        return part.plain - _margin(logits, part.planted, part.usual)


def _by_length(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    alike: dict[int, list[int]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        alike[len(prompt)].append(number)
    return list(alike.values())


def _significant(effect: Float[Tensor, " B"], control: Float[Tensor, "N B"]) -> bool:
    """Paired over prompts against the controls' mean; and beyond each single control."""
    gain = effect - control.mean(0)
    error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else gain.new_tensor(float("inf"))
    return bool(gain.mean() > LEAST_T * error) and bool(effect.mean() > control.mean(1).max())


def _margin(
    logits: Float[Tensor, "B C V"], planted: Int[Tensor, " B"], usual: Int[Tensor, " B"]
) -> Float[Tensor, " B"]:
    last = logits[:, -1].float()
    return last.gather(1, planted[:, None])[:, 0] - last.gather(1, usual[:, None])[:, 0]
