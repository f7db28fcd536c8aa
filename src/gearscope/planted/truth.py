"""What is planted: directions, firing rates, trees, common causes, chains.

Activations at site m are Σ_i a_i d_i,m + bias_m + noise, over truths i with activations a_i ≥ 0 and directions d_i,m of
norm 1, or 0 where a truth is not at that site. Truths are numbered layer by layer; within a layer first come the trees,
generation by generation, so that the children of a parent stand side by side.

Rates follow Zipf's law and are dealt out at random, but a parent has at least the rate of its children: the copula then
gives a child the rate r_child / r_parent where the parent fires. All of it follows from `world_seed`.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.errors import ConfigError
from gearscope.planted.config import PlantedConfig

_MOST_SHARED = 0.95
"""Of a truth's Gaussian, at most this share of the variance is from common causes."""
_REPEL_RATE = 0.3
"""Of the largest step that is stable, about: rows of n directions have a Gram matrix of size n / D."""


class Generation(NamedTuple):
    """Parents of one depth, each with its children."""

    parents: Int[Tensor, " J"]
    children: Int[Tensor, "J Y"]


class Pairs(NamedTuple):
    """Truths in twos: the second's Gaussian shares with the first's, or the second is caused by the first."""

    first: Int[Tensor, " J"]
    second: Int[Tensor, " J"]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The planted features; U counts all truths of all layers."""

    config: PlantedConfig
    layers: Int[Tensor, " U"]
    """Where each appears or is read."""
    directions: Float[Tensor, "U M D"]
    bias: Float[Tensor, "M D"]
    rates: Float[Tensor, " U"]
    """As asked for; exclusive children fire a little less."""
    magnitudes: Float[Tensor, " U"]
    """Mean activation where it fires."""
    loadings: Float[Tensor, "U C"]
    """On the common causes of the copula."""
    generations: tuple[Generation, ...]
    pairs: Pairs
    hops: Pairs
    """Causes, and their effects one layer on."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in order."""
        return self.config.sites

    def parents(self) -> Int[Tensor, " U"]:
        """The parent of each truth, -1 without one."""
        found = torch.full_like(self.layers, -1)
        for parents, children in self.generations:
            found[children] = parents[:, None].expand_as(children)
        return found

    def place(self, site: str) -> int:
        """Where activations hold a site. Raises ConfigError when the world has it not."""
        if site not in self.sites:
            raise ConfigError(f"a site of the planted world was expected ({', '.join(self.sites)})", found=site)
        return self.sites.index(site)

    def of(self, config: DictionaryConfig) -> Int[Tensor, " J"]:
        """The truths that a dictionary with these sites is to find: those that are at a site that it reads."""
        reads = [self.place(site) for site in config.reads]
        return (self.directions[:, reads] != 0).flatten(1).any(1).nonzero()[:, 0]

    def written(self, config: DictionaryConfig) -> Float[Tensor, "U W"]:
        """What each truth adds to the sites that a dictionary writes, side by side."""
        return self.directions[:, [self.place(site) for site in config.writes]].flatten(1)


def plant(config: PlantedConfig) -> Truth:
    """The truths of a world."""
    draw = torch.Generator().manual_seed(int(fingerprint(["world", config.world_seed]), 16) % 2**63)
    L, n = config.n_layers, config.n_truths
    layers = torch.arange(L).repeat_interleave(n)
    generations = _generations(config)
    hops = _hops(config)
    rates = _rates(config, draw)
    for cause, effect in zip(*hops, strict=True):
        rates[effect] = rates[cause]
    bias = _unit(torch.randn(len(config.sites), config.d_model, generator=draw)) * config.bias
    stronger = torch.randn(L * n, generator=draw) * config.magnitude_between
    directions = _in_stream(config, draw) if config.form == "stream" else _through_mlps(config, hops, draw)
    return Truth(
        config=config,
        layers=layers,
        directions=directions,
        bias=bias,
        rates=rates,
        magnitudes=(stronger - config.magnitude_between**2 / 2).exp(),
        loadings=_loadings(config, draw),
        generations=generations,
        pairs=_pairs(config),
        hops=hops,
    )


def superposition(directions: Float[Tensor, "U D"]) -> float:
    """Mean over truths of the largest |cosine| with another one: ρ_mm of SynthSAEBench."""
    cosines = (directions @ directions.T).abs()
    return float(cosines.fill_diagonal_(0).amax(1).mean())


def _unit(rows: Float[Tensor, "U D"]) -> Float[Tensor, "U D"]:
    return rows / rows.norm(dim=1, keepdim=True)


def _apart(config: PlantedConfig, n: int, draw: torch.Generator) -> Float[Tensor, "U D"]:
    """Random unit directions, pushed apart by descent on Σ_{i≠j} (d_i · d_j)²."""
    rows = _unit(torch.randn(n, config.d_model, generator=draw))
    rate = _REPEL_RATE * min(1.0, config.d_model / n)
    for _ in range(config.repel_steps):
        cosines = (rows @ rows.T).fill_diagonal_(0)
        rows = _unit(rows - rate * cosines @ rows)
    return rows


def _rates(config: PlantedConfig, draw: torch.Generator) -> Float[Tensor, " U"]:
    ranks = torch.arange(1, config.n_truths + 1, dtype=torch.float64)
    law = (config.commonest / ranks**config.zipf).clamp(min=config.rarest).float()
    levels = enumerate(_by_depth(config))
    trees = torch.cat([nodes.view(config.trees, config.branching**depth) for depth, nodes in levels], dim=1)
    dealt = []
    for _ in range(config.n_layers):
        rates = law[torch.randperm(config.n_truths, generator=draw)]
        rates[trees] = rates[trees].sort(dim=1, descending=True).values
        dealt.append(rates)
    return torch.cat(dealt)


def _by_depth(config: PlantedConfig) -> list[Int[Tensor, " J"]]:
    """The numbers of the truths in trees, within a layer, by depth."""
    sizes = [config.trees * config.branching**depth for depth in range(config.depth + 1)]
    return list(torch.arange(sum(sizes)).split(sizes))


def _generations(config: PlantedConfig) -> tuple[Generation, ...]:
    starts = torch.arange(config.n_layers)[:, None] * config.n_truths
    levels = [(starts + nodes).flatten() for nodes in _by_depth(config)]
    return tuple(
        Generation(parents, children.view(-1, config.branching)) for parents, children in itertools.pairwise(levels)
    )


def _pairs(config: PlantedConfig) -> Pairs:
    """Side by side, behind the trees."""
    here = config.trees * config.tree_size + torch.arange(2 * config.pairs)
    numbers = (torch.arange(config.n_layers)[:, None] * config.n_truths + here).view(-1, 2)
    return Pairs(numbers[:, 0], numbers[:, 1])


def _hops(config: PlantedConfig) -> Pairs:
    """The last truths of a layer are causes, those before them effects of the layer below: chains are of two truths."""
    n, H = config.n_truths, config.hops
    causes = (torch.arange(config.n_layers - 1)[:, None] * n + torch.arange(n - H, n)).flatten()
    return Pairs(causes, causes + n - H)


def _loadings(config: PlantedConfig, draw: torch.Generator) -> Float[Tensor, "U C"]:
    U = config.n_layers * config.n_truths
    drawn = torch.randn(U, config.correlation_rank, generator=draw) * config.correlation_scale
    size = drawn.norm(dim=1, keepdim=True)
    return drawn * (_MOST_SHARED**0.5 / size.clamp(min=1e-12)).clamp(max=1)


def _in_stream(config: PlantedConfig, draw: torch.Generator) -> Float[Tensor, "U M D"]:
    L, n = config.n_layers, config.n_truths
    directions = torch.zeros(L * n, L, config.d_model)
    for layer in range(L):
        here = slice(layer * n, (layer + 1) * n)
        rows = _apart(config, n, draw)
        for later in range(layer, L):
            directions[here, later] = rows
            turn = _unit(torch.randn(n, config.d_model, generator=draw))
            rows = _unit(rows + config.drift * turn)
    return directions


def _through_mlps(config: PlantedConfig, hops: Pairs, draw: torch.Generator) -> Float[Tensor, "U M D"]:
    L, n = config.n_layers, config.n_truths
    directions = torch.zeros(L * n, 2 * L, config.d_model)
    for layer in range(L):
        here = slice(layer * n, (layer + 1) * n)
        directions[here, layer] = _apart(config, n, draw)
        for target in range(layer, min(L, layer + config.reach + 1)):
            directions[here, L + target] = _apart(config, n, draw)
    for cause, effect in zip(*hops, strict=True):
        layer = int(cause) // n
        directions[cause, L:] = 0
        directions[cause, L + layer] = directions[effect, layer + 1]
    return directions
