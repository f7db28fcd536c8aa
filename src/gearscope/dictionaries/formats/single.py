"""What formats share whose dictionaries read one site and write one: check, fold, build; and refuse what they lack.

    pre = W (x − b) + c   =   W x + (c − W b)          a bias taken from the input is folded into the encoder's
    gate > 0              =   pre > b_mag − r b_gate   a gate with shared weights is a threshold

The second line holds for gated dictionaries (Rajamanoharan et al. 2024): with r = exp(r_mag), the gate W x + b_gate is
positive exactly where the magnitude r W x + b_mag is above that threshold. They are kept as JumpReLU.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import Activation, DictionaryConfig, ReadForm, WriteForm
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import ArtifactError, DictionaryError


class Sites(NamedTuple):
    """Where a dictionary reads and writes."""

    reads: str
    writes: str
    read_form: ReadForm = "site"
    write_form: WriteForm = "site"


class Weights(NamedTuple):
    """Weights in our axes, acting on raw activations."""

    W_enc: Tensor
    """[F, D]"""
    b_enc: Tensor
    """[F]"""
    W_dec: Tensor
    """[F, D]"""
    b_dec: Tensor
    """[D]"""
    threshold: Tensor | None = None
    """[F], or one for all features."""
    W_skip: Tensor | None = None
    """[D, D], output by input."""

    def centred(self) -> "Weights":
        """The same for a dictionary that takes its decoder's bias from its input."""
        return self._replace(b_enc=self.b_enc - self.W_enc @ self.b_dec)

    def uncentred(self) -> "Weights":
        """What such a dictionary has to hold, so that `centred` gives these weights."""
        return self._replace(b_enc=self.b_enc + self.W_enc @ self.b_dec)


def gated(W_enc: Tensor, r_mag: Tensor, b_gate: Tensor, b_mag: Tensor, W_dec: Tensor, b_dec: Tensor) -> Weights:
    """A gated dictionary, `W_enc` [F, D], as JumpReLU."""
    r = r_mag.exp()
    return Weights(r[:, None] * W_enc, b_mag, W_dec, b_dec, (b_mag - r * b_gate).clamp(min=0))


def check_tensors(
    where: str, tensors: Mapping[str, Tensor], needed: Mapping[str, str], optional: Mapping[str, str] | None = None
) -> None:
    """Raise ArtifactError unless the tensors have these names and axes, a letter meaning one size ("" is a scalar)."""
    known = {**needed, **(optional or {})}
    problems = [f"no {name}" for name in sorted(set(needed) - set(tensors))]
    problems += [f"an unknown {name}" for name in sorted(set(tensors) - set(known))]
    sizes: dict[str, int] = {}
    for name, axes in known.items():
        if name not in tensors:
            continue
        shape = tuple(tensors[name].shape)
        if len(shape) == len(axes):
            for axis, size in zip(axes, shape, strict=True):
                sizes.setdefault(axis, size)
        expected = tuple(sizes.get(axis, "?") for axis in axes)
        if shape != expected:
            problems.append(f"{name} of shape {shape} where {expected} fits".replace("'", ""))
    if problems:
        raise ArtifactError(f"{where} should hold the tensors of its architecture", found=", ".join(problems))


def build(sites: Sites, weights: Weights, activation: Activation, k: int | None = None) -> Dictionary:
    """One dictionary of ours. Raises DictionaryError, ConfigError."""
    W_enc, b_enc, W_dec, b_dec, threshold, W_skip = weights
    return Dictionary(
        config=DictionaryConfig.of(
            reads=(sites.reads,),
            writes=(sites.writes,),
            n_features=W_enc.shape[0],
            d_model=W_enc.shape[1],
            activation=activation,
            k=k,
            read_form=sites.read_form,
            write_form=sites.write_form,
        ),
        W_enc=W_enc[:, None],
        b_enc=b_enc,
        W_dec=W_dec[:, None],
        b_dec=b_dec[None],
        threshold=None if threshold is None else threshold.expand(W_enc.shape[0]),
        W_skip=W_skip,
    )


def collect(opened: Iterable[tuple[str, Dictionary]], folder: Path) -> DictionarySet:
    """Dictionaries with the names of their models, ordered by layer. Raises ArtifactError when models differ."""
    found = sorted(opened, key=lambda one: (one[1].config.read_sites[0].layer or 0, one[1].config.reads))
    models = sorted({model for model, _ in found if model})
    if len(models) > 1:
        raise ArtifactError(f"dictionaries of one model were expected in {folder}", found=" and ".join(models))
    return DictionarySet(dictionaries=tuple(one for _, one in found), model=models[0] if models else "")


def taken_apart(one: Dictionary, program: str) -> tuple[Sites, Weights]:
    """Sites and weights of a dictionary with one site each. Raises DictionaryError for others."""
    config = one.config
    if len(config.reads) > 1 or len(config.writes) > 1:
        found = f"one that reads {', '.join(config.reads)} and writes {', '.join(config.writes)}"
        raise refusal(program, found, "a site that is read and a site that is written")
    sites = Sites(config.reads[0], config.writes[0], config.read_form, config.write_form)
    weights = Weights(one.W_enc[:, 0], one.b_enc, one.W_dec[:, 0], one.b_dec[0], one.threshold, one.W_skip)
    return sites, weights


def rectified(one: Dictionary, program: str) -> Tensor:
    """The threshold of relu or jumprelu for a JumpReLU behind a ReLU: 0 for relu. Raises DictionaryError for others."""
    if one.config.activation == "relu":
        return torch.zeros_like(one.b_enc)
    if one.threshold is None:
        raise refusal(program, f"activation {one.config.activation} on {', '.join(one.config.reads)}", "JumpReLU")
    if bool((one.threshold < 0).any()):
        found = f"negative thresholds on {', '.join(one.config.reads)}"
        raise refusal(program, found, "thresholds with a ReLU before them")
    return one.threshold


def refusal(program: str, found: str, expected: str) -> DictionaryError:
    """The one sentence for what a format has no place for."""
    hint = "write our own format, which holds every kind"
    return DictionaryError(f"{program} can hold {expected}", found=found, hint=hint)
