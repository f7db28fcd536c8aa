"""What a dictionary is, without its weights: its sites, its size and its activation function. No torch.

SAE                      reads a site, writes the same
transcoder               reads the MLP input of a layer, writes its MLP output; a skip one adds W_skip x
cross-layer transcoder   reads the MLP input of a layer, writes the MLP outputs of that layer and later ones
crosscoder               reads several sites, writes several
"""

from typing import Literal

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.ids import SiteId

Activation = Literal["relu", "jumprelu", "topk", "topk_relu"]
TOPK = ("topk", "topk_relu")
"""Activations with a k."""
ReadForm = Literal["site", "before_gain"]
WriteForm = Literal["site", "before_post_norm"]


class DictionaryConfig(Config):
    """One dictionary. A BatchTopK dictionary is stored as JumpReLU, with the thresholds that its training found."""

    reads: tuple[str, ...] = Field(min_length=1)
    """Sites whose activations it reads, for instance `blocks.3.mlp_in`."""
    writes: tuple[str, ...] = Field(min_length=1)
    """Sites whose activations it reconstructs."""
    n_features: int = Field(ge=1)
    d_model: int = Field(ge=1)
    activation: Activation
    """relu: positive pre-activations. jumprelu: those above the feature's threshold. topk: the k largest of a token.
    topk_relu: those of the k largest that are positive."""
    k: int | None = Field(default=None, ge=1)
    """Active features per token, at most; with topk only."""
    read_form: ReadForm = "site"
    """before_gain: the site is a norm's output, and is read before the norm's gain and bias are applied."""
    write_form: WriteForm = "site"
    """before_post_norm: what is written into an MLP output passes the norm that some families put behind the MLP."""

    @model_validator(mode="after")
    def _consistent(self) -> "DictionaryConfig":
        for sites in (self.reads, self.writes):
            for site in sites:
                if str(SiteId.parse(site)) != site:
                    raise ValueError(f"site {site} is written {SiteId.parse(site)}")
            if len(set(sites)) < len(sites):
                raise ValueError(f"each site once was expected, found {', '.join(sites)}")
        if self.activation in TOPK and self.k is None:
            raise ValueError(f"{self.activation} needs k, the number of active features per token")
        if self.activation not in TOPK and self.k is not None:
            raise ValueError(f"k = {self.k} says nothing to {self.activation}; only topk has one")
        if self.k is not None and self.k > self.n_features:
            raise ValueError(f"k = {self.k} is more than the {self.n_features} features")
        return self

    @property
    def read_sites(self) -> tuple[SiteId, ...]:
        """The sites it reads, parsed."""
        return tuple(SiteId.parse(site) for site in self.reads)

    @property
    def write_sites(self) -> tuple[SiteId, ...]:
        """The sites it writes, parsed."""
        return tuple(SiteId.parse(site) for site in self.writes)

    @property
    def own_write(self) -> int | None:
        """Which write site is in the layer of the only read site: where a skip goes. None when there is none."""
        layers = [site.layer for site in self.write_sites]
        here = self.read_sites[0].layer
        return layers.index(here) if len(self.reads) == 1 and here is not None and here in layers else None
