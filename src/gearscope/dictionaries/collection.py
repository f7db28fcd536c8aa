"""The dictionaries of one model: one per layer (SAEs, transcoders) or one cross-layer transcoder.

A cross-layer transcoder is kept as one `Dictionary` per layer that it reads; what they write to one site adds up, and
so do their biases there. Knows nothing about models: it is told how many layers there are and how wide they are.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.errors import DictionaryError
from gearscope.ids import SiteId

MLP_READS = ("mlp_in", "resid_mid")
"""Sites at which a dictionary can stand in for an MLP; its output site is `mlp_out`."""

SAE_PLACES = ("mlp_out", "resid_post")
"""Sites that an SAE can stand for."""


_SAMPLED_ROWS = 64
"""Of a decoder, so that one that is mapped into memory is not read as a whole for its fingerprint."""


@dataclass(frozen=True, kw_only=True)
class DictionarySet:
    """Dictionaries that belong together, in the order of the sites they read. Raises DictionaryError."""

    dictionaries: tuple[Dictionary, ...]
    model: str = ""
    """The model that they were trained on, by name."""
    scan: str = ""
    """How graph viewers find the pages of the features; empty when there are none."""

    def __post_init__(self) -> None:
        if not self.dictionaries:
            raise DictionaryError("at least one dictionary was expected", found="none")
        for name in ("d_model", "read_form", "write_form"):
            values = sorted({str(getattr(config, name)) for config in self.configs})
            if len(values) > 1:
                raise DictionaryError(f"dictionaries with one {name} were expected", found=" and ".join(values))
        reads = [site for config in self.configs for site in config.reads]
        twice = sorted({site for site in reads if reads.count(site) > 1})
        if twice:
            raise DictionaryError("one dictionary per site was expected", found=f"two that read {', '.join(twice)}")

    @property
    def configs(self) -> tuple[DictionaryConfig, ...]:
        """What each dictionary is."""
        return tuple(dictionary.config for dictionary in self.dictionaries)

    @property
    def d_model(self) -> int:
        """Width of the sites."""
        return self.configs[0].d_model

    @property
    def kind(self) -> str:
        """`sae`, `plt` (a skip one included), `clt` or `crosscoder` (a weakly causal one included)."""
        if any(len(c.reads) > 1 or (len(c.writes) > 1 and c.reads[0] in c.writes) for c in self.configs):
            return "crosscoder"
        if all(config.reads == config.writes for config in self.configs):
            return "sae"
        return "plt" if all(len(config.writes) == 1 for config in self.configs) else "clt"

    def fingerprint(self) -> str:
        """Sixteen hex digits of the SHA-256 over configurations and weights; some rows stand for each decoder."""
        digest = hashlib.sha256()
        for dictionary in self.dictionaries:
            digest.update(dictionary.config.to_json().encode())
            for name, tensor in dictionary.tensors().items():
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                taken = tensor[:: max(1, len(tensor) // _SAMPLED_ROWS)] if name == "W_dec" else tensor
                digest.update(taken.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    def with_gains(self, gains: Sequence[tuple[Tensor, Tensor | None]]) -> "DictionarySet":
        """The same function of plain sites: where the gain of an MLP's norm is left out, it is folded in.

        `gains` are gain and bias of that norm, by layer.
        """
        if self.configs[0].read_form == "site":
            return self
        made = [one.after_norm(*gains[one.config.read_sites[0].layer or 0]) for one in self.dictionaries]
        return replace(self, dictionaries=tuple(made))

    def check_fits(self, *, n_layers: int, d_model: int) -> None:
        """Raise DictionaryError unless they can be a basis of such a model."""
        if self.kind == "sae":
            self.check_are_saes(n_layers=n_layers, d_model=d_model)
        else:
            self.check_stands_in_for_mlps(n_layers=n_layers, d_model=d_model)

    def check_stands_in_for_mlps(self, *, n_layers: int, d_model: int) -> None:
        """Raise DictionaryError unless there is one transcoder per layer of such a model, writing there or later."""
        read = {config.read_sites[0].name for config in self.configs}
        wanted = min(read & set(MLP_READS), default=MLP_READS[0])
        expected = [f"blocks.{layer}.{wanted}" for layer in range(n_layers)]
        late = all(
            site.name == "mlp_out"
            and (site.layer or 0) >= (config.read_sites[0].layer or 0)
            and _in(site.layer, n_layers)
            for config in self.configs
            for site in config.write_sites
        )
        gain = all(config.read_form == "site" or wanted == "mlp_in" for config in self.configs)
        same_reads = [config.reads for config in self.configs] == [(site,) for site in expected]
        if same_reads and late and gain and self.d_model == d_model:
            return
        raise DictionaryError(
            f"dictionaries for a model of {n_layers} layers and width {d_model} were expected: one that reads each of "
            f"{_few(expected)} and writes mlp_out of that layer or later ones",
            found=f"{len(self.dictionaries)} of width {self.d_model} that read {_few(c.reads for c in self.configs)}"
            f" and write {_few(c.writes for c in self.configs)}",
        )

    def check_are_saes(self, *, n_layers: int, d_model: int) -> str:
        """Raise DictionaryError unless these are SAEs of such a model, all on `mlp_out` or all on the residual stream.

        Returns `mlp_out`, or `resid_post`: the stream before a layer is the one behind the layer below.
        """
        places = {_sae_place(config) for config in self.configs}
        layers = list(self.saes_by_layer()) if None not in places else []
        kinds = {place.name for place in places if place is not None}
        whole = all(config.read_form == config.write_form == "site" for config in self.configs)
        fits = layers and len(kinds) == 1 and len(layers) == len(self.configs) and max(layers) < n_layers
        if fits and whole and self.d_model == d_model:
            return kinds.pop()
        raise DictionaryError(
            f"SAEs for a model of {n_layers} layers and width {d_model} were expected, one per layer at most: all on "
            "blocks.L.mlp_out, or all on the residual stream (blocks.L.resid_post, or resid_pre of layers from 1 on)",
            found=f"{len(self.dictionaries)} of width {self.d_model} on {_few(c.reads for c in self.configs)}",
        )

    def saes_by_layer(self) -> dict[int, Dictionary]:
        """SAEs by the layer whose output, or whose stream behind, they rewrite."""
        placed = zip(map(_sae_place, self.configs), self.dictionaries, strict=True)
        return {place.layer: sae for place, sae in placed if place is not None and place.layer is not None}


def joined(parts: Sequence[DictionarySet]) -> DictionarySet:
    """One set out of several, by layer: for layers that were trained a few at a time.

    Raises DictionaryError for sets of different models, and where two read one site.
    """
    models = sorted({part.model for part in parts})
    if len(models) > 1:
        raise DictionaryError("dictionaries of one model were expected", found=" and ".join(map(repr, models)))
    together = [dictionary for part in parts for dictionary in part.dictionaries]
    together.sort(key=lambda dictionary: dictionary.config.read_sites[0].layer or 0)
    return DictionarySet(dictionaries=tuple(together), model=models[0], scan=parts[0].scan)


def _sae_place(config: DictionaryConfig) -> SiteId | None:
    """`mlp_out` or `resid_post` of a layer; None where an SAE cannot stand in for anything.

    An MLP's own output is what it adds to the stream, unless a norm follows it: who knows the model checks that.
    """
    site = config.read_sites[0]
    if site.name == "mlp_raw":
        site = SiteId(site.layer, "mlp_out")
    if site.name == "resid_pre" and site.layer:
        site = SiteId(site.layer - 1, "resid_post")
    known = config.reads == config.writes and len(config.reads) == 1 and site.name in SAE_PLACES
    return site if known else None


def _in(layer: int | None, n_layers: int) -> bool:
    return layer is not None and layer < n_layers


def _few(sites: Iterable[str | tuple[str, ...]]) -> str:
    named = [site if isinstance(site, str) else "+".join(site) for site in sites]
    return ", ".join(named if len(named) <= 4 else [*named[:2], "...", named[-1]])
