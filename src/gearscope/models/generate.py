"""Writing token by token, with edits and readings at every step.

With the key-value cache a step sees only the new positions, without it the whole text; both give the same tokens
because edits speak of absolute positions, and because the cache keeps every key (none is dropped behind a sliding
window: the mask hides those). Hooks are in place only while a step runs, never between two tokens. It knows nothing
about text.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from gearscope.errors import ConfigError
from gearscope.ids import SiteId
from gearscope.models.anatomy import Anatomy
from gearscope.models.hooks import hooked
from gearscope.models.sites import Edit


class Step(NamedTuple):
    """One written token."""

    token: int
    position: int
    """Where it will stand, counted from the start of the prompt."""
    logits: Float[Tensor, " V"]
    """What it was chosen from."""
    sites: dict[str, Tensor]
    """Readings at the positions that this step ran: all of the prompt at first, then one position (with the cache)."""


def generate(
    anatomy: Anatomy,
    ids: Int[Tensor, " P"],
    max_new_tokens: int,
    *,
    edits: Sequence[Edit] = (),
    read: Sequence[SiteId | str] = (),
    use_cache: bool = True,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    stop: Collection[int] = (),
) -> Iterator[Step]:
    """Write up to `max_new_tokens` tokens; ends after a token in `stop` and at the end of the model's context.

    Temperature 0 takes the most probable token; above it, tokens are drawn with `generator`. Raises ConfigError.
    """
    if temperature < 0 or (temperature > 0 and generator is None):
        expected = "a temperature of 0, or one above 0 and a random generator, was expected"
        raise ConfigError(expected, found=str(temperature))
    n_steps = min(max_new_tokens, anatomy.context - len(ids))
    return _steps(anatomy, ids, n_steps, edits, read, use_cache, temperature, generator, stop)


def _steps(
    anatomy: Anatomy,
    ids: Int[Tensor, " P"],
    n_steps: int,
    edits: Sequence[Edit],
    read: Sequence[SiteId | str],
    use_cache: bool,
    temperature: float,
    generator: torch.Generator | None,
    stop: Collection[int],
) -> Iterator[Step]:
    cache = DynamicCache() if use_cache else None
    text, done = ids, 0
    for _ in range(n_steps):
        with (
            torch.no_grad(),
            hooked(anatomy, read=read, edits=edits, offset=done, batched=False) as sites,
        ):
            logits = anatomy.forward(text[None, done:], cache, done)[0, -1]
        token = _choose(logits, temperature, generator)
        yield Step(token, len(text), logits, dict(sites))
        done = len(text) if use_cache else 0
        text = torch.cat([text, text.new_tensor([token])])
        if token in stop:
            return


def _choose(logits: Float[Tensor, " V"], temperature: float, generator: torch.Generator | None) -> int:
    if temperature == 0:
        return int(logits.argmax())
    chances = torch.softmax(logits.double().cpu() / temperature, dim=-1)
    return int(torch.multinomial(chances, 1, generator=generator))
