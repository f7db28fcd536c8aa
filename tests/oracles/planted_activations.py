"""Activations with known truth, and a source of batches that needs no model.

`planted(...)` draws sparse codes over unit directions: site 0 holds what is read, site 1 what other directions for the
same codes write, so that a dictionary with the right features reaches a small error.
"""

import json

import torch
from torch import Tensor


def planted_directions(*, n_features: int = 24, d_model: int = 16, sites: int = 2) -> Tensor:
    """[sites, features, d_model]: what each planted feature is at each site, of norm 1."""
    maps = torch.randn(sites, n_features, d_model, generator=torch.Generator().manual_seed(7))
    return maps / maps.norm(dim=2, keepdim=True)


def planted(n_tokens: int, *, n_features: int = 24, d_model: int = 16, active: int = 2, sites: int = 2) -> Tensor:
    """[tokens, sites, d_model]; the same directions at every call."""
    maps = planted_directions(n_features=n_features, d_model=d_model, sites=sites)
    draw = torch.Generator().manual_seed(n_tokens)
    strength = torch.rand(n_tokens, n_features, generator=draw) + 0.5
    codes = torch.zeros(n_tokens, n_features)
    which = torch.rand(n_tokens, n_features, generator=draw).topk(active, dim=1).indices
    codes.scatter_(1, which, strength)
    return torch.stack([codes @ one for one in maps], dim=1) * 3 + 0.5


class FixedSource:
    """Batches out of one tensor, in order, again and again. Fulfils `training.train.Source`."""

    def __init__(self, acts: Tensor) -> None:
        self.acts = acts
        self.at = 0

    @property
    def fingerprint(self) -> str:
        return f"{float(self.acts.double().sum()):.6f}"

    def sample(self) -> Tensor:
        return self.acts

    def take(self, n_tokens: int) -> Tensor:
        rows = torch.arange(self.at, self.at + n_tokens) % len(self.acts)
        self.at += n_tokens
        return self.acts[rows]

    def place(self) -> str:
        return json.dumps(self.at)

    def go_to(self, place: str) -> None:
        self.at = json.loads(place)
