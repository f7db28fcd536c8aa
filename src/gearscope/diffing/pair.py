"""Two models that read the same windows: one stream of activations, both models' planes side by side.

    planes of a token    a:site_1  b:site_1  a:site_2  b:site_2 ...            `planes` = models
                         (a + b) / 2  and  b - a  in the place of each pair    `planes` = difference

The second is a change of basis: a crosscoder of either is one of the other (`crosscoder.py`). What changes is what an
error costs: every plane is scaled to the same norm, so a difference of a hundredth counts as much as what is the same.
Knows nothing about features.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.activations.config import ReadingConfig
from gearscope.activations.harvest import passes
from gearscope.activations.stream import ActivationStream
from gearscope.config import fingerprint
from gearscope.corpus.windows import Corpus
from gearscope.diffing.config import Planes
from gearscope.errors import ModelError
from gearscope.models.model import Model


class Pair(NamedTuple):
    """The model before and the model after."""

    a: Model
    b: Model


def check_pair(pair: Pair) -> None:
    """Raise ModelError unless both have one width, one depth and the same tokens."""
    a, b = pair
    for what, first, second in (("width", a.d_model, b.d_model), ("number of layers", a.n_layers, b.n_layers)):
        if first != second:
            hint = "compare a model with a fine-tune of it"
            raise ModelError(f"two models of one {what} were expected", found=f"{first} and {second}", hint=hint)
    names = list(a.token_names()), list(b.token_names())
    if names[0] != names[1]:
        at = next((i for i, (x, y) in enumerate(zip(*names, strict=False)) if x != y), min(map(len, names)))
        found = f"{len(names[0])} and {len(names[1])} tokens, other ones from number {at} on"
        raise ModelError("two models with the same tokens were expected", found=found)


@torch.no_grad()
def check_differ(pair: Pair, ids: Int[Tensor, "B P"], sites: Sequence[str]) -> None:
    """Raise ModelError where both models are the same on some windows: there is nothing to compare."""
    a, b = (model.run(ids.to(model.device), read=sites) for model in pair)
    if torch.equal(a.logits, b.logits.to(a.logits)):
        found = f"the same predictions on {ids.numel():,} tokens: A and B do not differ"
        raise ModelError("two models that differ were expected", found=found, hint="give a model and a fine-tune of it")
    same = [site for site in sites if torch.equal(a.sites[site], b.sites[site].to(a.sites[site]))]
    if same:
        hint = "B was changed behind it: compare a later one with --layer"
        raise ModelError(f"activations that differ were expected at {', '.join(same)}", found="equal ones", hint=hint)


def of_both(sites: Sequence[str]) -> tuple[str, ...]:
    """The names of these sites in both models, in the order of the planes."""
    return tuple(f"{model}:{site}" for site in sites for model in ("a", "b"))


def mixed(acts: Float[Tensor, "K M D"], planes: Planes) -> Float[Tensor, "K M D"]:
    """Planes as a crosscoder is trained on them, of planes of both models."""
    if planes == "models":
        return acts
    a, b = acts[:, 0::2], acts[:, 1::2]
    return torch.stack([(a + b) / 2, b - a], dim=2).flatten(1, 2)


def paired_passes(
    pair: Pair, ids: Int[Tensor, "B P"], sites: Sequence[str], *, pass_tokens: int, planes: Planes
) -> Generator[Float[Tensor, "K M D"]]:
    """Activations of both models on the windows, in their order. Raises ModelError when one is not finite."""
    read = (passes(model, ids, sites, pass_tokens=pass_tokens) for model in pair)
    for a, b in zip(*read, strict=True):
        yield mixed(torch.stack([a, b.to(a)], dim=2).flatten(1, 2), planes)


class PairStream(ActivationStream):
    """Batches of activations of two models on one corpus."""

    def __init__(
        self, pair: Pair, corpus: Corpus, sites: Sequence[str], config: ReadingConfig, *, planes: Planes
    ) -> None:
        super().__init__(pair.a, corpus, of_both(sites), config)
        self._pair, self._read_sites, self._mixing = pair, tuple(sites), planes

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with anything that decides the batches."""
        return fingerprint([super().fingerprint, self._pair.b.fingerprint, self._mixing])

    def _passes(self, ids: Int[Tensor, "B P"], draw: torch.Generator) -> Generator[Float[Tensor, "K M D"]]:
        return paired_passes(
            self._pair, ids, self._read_sites, pass_tokens=self._config.pass_tokens, planes=self._mixing
        )
