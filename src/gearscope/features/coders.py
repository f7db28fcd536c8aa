"""What a library is built of: dictionaries of every kind, and neurons, as coders of one shape.

A coder reads some sites and says which features are active, and what each writes per unit of activation. Features fire
where they are positive.
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
from gearscope.ids import SiteId
from gearscope.models.model import Model


@dataclass(frozen=True, kw_only=True)
class Coder:
    """Features of one shelf."""

    shelf: Shelf
    source: Dictionary | Tensor
    """A dictionary, or what each neuron writes [F, D]."""

    def encode(self, x: Float[Tensor, "P R D"]) -> Codes:
        """The positive activations of each row of what stands at the sites."""
        if isinstance(self.source, Tensor):
            return select(x[:, 0], "relu")
        codes = self.source.encode(x)
        up = codes.values > 0
        return Codes(codes.rows[up], codes.columns[up], codes.values[up], codes.n_rows)

    def writes(self, features: Int[Tensor, " K"], like: Tensor) -> Float[Tensor, "K S D"]:
        """What some features write at each site, in the precision of `like`."""
        if isinstance(self.source, Tensor):
            return self.source[features, None].to(like)
        return self.source.decoders(features, like)

    @property
    def write_sites(self) -> list[tuple[SiteId, bool]]:
        """The sites it writes, and whether a norm behind the MLP is still to come."""
        early = isinstance(self.source, Dictionary) and self.source.config.write_form == "before_post_norm"
        sites = map(SiteId.parse, self.shelf.writes)
        return [(site, site.name == "mlp_raw" or (early and site.name == "mlp_out")) for site in sites]


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
