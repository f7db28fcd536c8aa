"""The model run with everything that dictionaries write replaced at once by what they write.

No error terms: what a dictionary misses is missing, and later layers read the result. Attention patterns and norms are
live. The first position keeps its own values, as in training and in circuits. Each layer's codes come from what it
reads in this very run; a crosscoder, which reads layers that come after one it writes, reads the plain run instead.
The control that knows nothing of the token holds the same sites at their means. Knows nothing about comparing runs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import DictionaryError
from gearscope.ids import SiteId
from gearscope.models.model import Model
from gearscope.models.sites import Edit


def in_model(dictionaries: DictionarySet, model: Model, ids: Int[Tensor, " P"]) -> DictionarySet:
    """The same function of plain sites: a gain that a dictionary leaves out is folded in.

    Raises DictionaryError for a layer that the model has not, for another width, and for dictionaries that write before
    a norm which this model puts behind its MLPs.
    """
    layers = [site.layer for c in dictionaries.configs for site in (*c.read_sites, *c.write_sites)]
    beyond = [layer for layer in layers if layer is None or layer >= model.n_layers]
    if beyond or dictionaries.d_model != model.d_model:
        raise DictionaryError(
            f"dictionaries for a model of {model.n_layers} layers and width {model.d_model} were expected",
            found=f"width {dictionaries.d_model}" if not beyond else f"one for layer {beyond[0]}",
        )
    if all(config.read_form == "site" and config.write_form == "site" for config in dictionaries.configs):
        return dictionaries
    blocks = model.record(ids).blocks
    if dictionaries.configs[0].write_form == "before_post_norm" and any(block.mlp_post_norm for block in blocks):
        raise DictionaryError("dictionaries that write behind the post-norm were expected", found="ones before it")
    return dictionaries.with_gains([(block.mlp_norm.weight, block.mlp_norm.bias) for block in blocks])


def replaced_logits(
    model: Model, dictionaries: DictionarySet, ids: Int[Tensor, "B P"], *, differentiable: bool = False
) -> Float[Tensor, "B P V"]:
    """The model's logits with every written site replaced, but for the first position.

    `differentiable` keeps the graph from the weights of the dictionaries.
    """
    live = _Live(dictionaries, range(1, ids.shape[1]))
    ahead = list(dict.fromkeys(site for d in live.dictionaries if _reads_ahead(d) for site in d.config.reads))
    if ahead:
        plain = model.read(ids, ahead)
        live.take_over({site: plain[site][:, 1:] for site in ahead})
    return model.run(ids, edits=live.edits(), differentiable=differentiable).logits


def constant_logits(model: Model, means: Mapping[str, Tensor], ids: Int[Tensor, "B P"]) -> Float[Tensor, "B P V"]:
    """The model's logits with each of these sites held at one vector [D], but for the first position."""
    edits = [
        Edit(site=SiteId.parse(site), value=_Constant(mean.to(model.device)), positions=range(1, ids.shape[1]))
        for site, mean in means.items()
    ]
    return model.run(ids, edits=edits).logits


def _reads_ahead(dictionary: Dictionary) -> bool:
    """Whether it reads a site that stands behind the first one it writes."""
    return len(dictionary.config.reads) > 1


class _Live:
    """What has been read and written so far in one run."""

    def __init__(self, dictionaries: DictionarySet, positions: range) -> None:
        self.dictionaries = dictionaries.dictionaries
        self.positions = positions
        self.read: dict[str, Tensor] = {}
        self.written: dict[str, Tensor] = {}
        self.coded: set[int] = set()

    def take_over(self, plain: dict[str, Tensor]) -> None:
        """Let those that read ahead write, from sites of the plain run."""
        for number, dictionary in enumerate(self.dictionaries):
            if _reads_ahead(dictionary):
                self.coded.add(number)
                self._write(dictionary, plain)

    def edits(self) -> list[Edit]:
        """Edits that look at what is read, then edits that put in what is written: a site can be both."""
        causal = [d for d in self.dictionaries if not _reads_ahead(d)]
        reads = list(dict.fromkeys(site for d in causal for site in d.config.reads))
        writes = list(dict.fromkeys(site for d in self.dictionaries for site in d.config.writes))
        look = [self._edit(site, _Look(self, site)) for site in reads]
        return look + [self._edit(site, _Put(self, site)) for site in writes]

    def _edit(self, site: str, value: "_Look | _Put") -> Edit:
        return Edit(site=SiteId.parse(site), value=value, positions=self.positions)

    def code(self) -> None:
        """Let every dictionary write whose sites have all been read."""
        for number, dictionary in enumerate(self.dictionaries):
            if number not in self.coded and all(site in self.read for site in dictionary.config.reads):
                self.coded.add(number)
                self._write(dictionary, self.read)

    def _write(self, dictionary: Dictionary, read: dict[str, Tensor]) -> None:
        x = torch.stack([read[site].flatten(0, 1) for site in dictionary.config.reads], dim=1)
        for number, site in enumerate(dictionary.config.writes):
            if number == 0:
                written = dictionary.reconstruct(x)
            self.written[site] = self.written.get(site, 0) + written[:, number]


class _Look(NamedTuple):
    live: _Live
    site: str

    def __call__(self, x: Tensor) -> Tensor:
        self.live.read[self.site] = x
        self.live.code()
        return x


class _Put(NamedTuple):
    live: _Live
    site: str

    def __call__(self, x: Tensor) -> Tensor:
        return self.live.written[self.site].view_as(x).to(x)


class _Constant(NamedTuple):
    mean: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return self.mean.expand_as(x).to(x)
