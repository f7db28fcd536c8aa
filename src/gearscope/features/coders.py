"""What a library is built of: dictionaries of every kind, and neurons, as coders of one shape.

A coder reads some sites and says which features are active; `written` is what a feature adds to the residual stream per
unit of activation, over all sites that it writes. A site that is not part of that stream (a norm's output, the values
of a head) adds nothing. Features fire where they are positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes, select
from gearscope.errors import DictionaryError
from gearscope.features.config import Shelf
from gearscope.models.model import Model

IN_STREAM = ("attn_out", "mlp_out", "mlp_raw", "resid_pre", "resid_mid", "resid_post", "embed")
"""Names of sites that are the residual stream, or are added to it."""


@dataclass(frozen=True, kw_only=True)
class Coder:
    """Features of one shelf."""

    shelf: Shelf
    source: "Dictionary | Float[Tensor, 'F D']"
    """A dictionary, or what each neuron writes."""

    def encode(self, x: Float[Tensor, "P R D"]) -> Codes:
        """The positive activations of each row of what stands at the sites."""
        if isinstance(self.source, Tensor):
            return select(x[:, 0], "relu")
        codes = self.source.encode(x)
        up = codes.values > 0
        return Codes(codes.rows[up], codes.columns[up], codes.values[up], codes.n_rows)

    def written(self, features: Int[Tensor, " K"], like: Tensor) -> Float[Tensor, "K D"]:
        """What some features add to the residual stream, summed over the sites that they write."""
        if isinstance(self.source, Tensor):
            return self.source[features].to(like)
        streams = [site.name in IN_STREAM for site in self.source.config.write_sites]
        return self.source.decoders(features, like)[:, torch.tensor(streams, device=like.device)].sum(1)


def dictionary_coders(dictionaries: DictionarySet) -> list[Coder]:
    """Coders of a set that reads plain sites of one model. Raises DictionaryError."""
    sites = [site for config in dictionaries.configs for site in (*config.read_sites, *config.write_sites)]
    outside = [str(site) for site in sites if site.layer is None or site.of is not None]
    if outside:
        raise DictionaryError("dictionaries at sites inside layers of one model were expected", found=outside[0])
    layers = [config.read_sites[0].layer or 0 for config in dictionaries.configs]
    twice = sorted({layer for layer in layers if layers.count(layer) > 1})
    if twice:
        hint = "make a library of each set"
        raise DictionaryError("one dictionary per layer was expected", found=f"several for layer {twice[0]}", hint=hint)
    return [
        Coder(
            shelf=Shelf(
                layer=layer,
                kind=dictionaries.kind,
                reads=dictionary.config.reads,
                writes=dictionary.config.writes,
                n_features=dictionary.config.n_features,
            ),
            source=dictionary,
        )
        for layer, dictionary in zip(layers, dictionaries.dictionaries, strict=True)
    ]


def neuron_coders(model: Model) -> list[Coder]:
    """The MLP neurons of every layer, as features that fire where they are positive; they need no training."""
    made = []
    for layer in range(model.n_layers):
        W_out = torch.cat([expert.W_out for expert in model.neurons(layer).experts])
        site = f"blocks.{layer}.mlp_act"
        writes = (f"blocks.{layer}.mlp_raw",)
        shelf = Shelf(layer=layer, kind="neurons", reads=(site,), writes=writes, n_features=len(W_out))
        made.append(Coder(shelf=shelf, source=W_out.detach()))
    return made


def sites_of(coders: Sequence[Coder]) -> list[str]:
    """Every site that is read, once."""
    return list(dict.fromkeys(site for coder in coders for site in coder.shelf.reads))
