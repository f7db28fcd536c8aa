"""Measures interchange maps: runs prompts with the residual state of one layer and position taken from another prompt.

Each prompt is run once, and the states between its blocks are kept. A swap at (layer, position) then runs the blocks
above that layer only, from that position on: what stands before it cannot have changed, and is met again as the base's
own keys and values. All pairs of a variable go through at once. Models are stock decoders of HuggingFace (a list of
blocks, a norm, an unembedding); masks and positions are the ones that transformers hands to each block itself.

It knows nothing about which variables exist.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from random import Random
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from gearscope.organism.truth.maps import InterchangeMap, Rows
from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world.vocabulary import VOCABULARY, ids_of

N_CONTROLS = 50
"""Pairs of a variable that are controlled, at most."""


class Run(NamedTuple):
    """Prompts of one length, read once."""

    states: list[Float[Tensor, "B P D"]]
    """What stands between the blocks: `states[l]` has l blocks below it."""
    cache: DynamicCache
    """Keys and values of every block."""
    calls: list[dict[str, Any]]
    """The arguments of each block besides its input."""
    next_ids: Int[Tensor, " B"]
    """The likeliest next token."""


@torch.no_grad()
def read(model: nn.Module, ids: Int[Tensor, "B P"]) -> Run:
    """Run prompts and keep what swaps need."""
    states: list[Tensor] = []
    calls: list[dict[str, Any]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], arguments: dict[str, Any]) -> None:
        states.append(inputs[0])
        calls.append(arguments)

    cache = DynamicCache()
    with ExitStack() as stack:
        parts = _parts(model)
        for part in (*parts.blocks, parts.norm):
            stack.callback(part.register_forward_pre_hook(keep, with_kwargs=True).remove)
        logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return Run(states, cache, calls[:-1], logits[:, -1].argmax(-1))


@torch.no_grad()
def swapped(model: nn.Module, base: Run, source: Run, layer: int, positions: Sequence[int]) -> Int[Tensor, " B"]:
    """The likeliest next tokens after the bases, with the states of the sources at some positions of a layer.

    `layer` is how many blocks stand below the swap.
    """
    start, length = min(positions), base.states[0].shape[1]
    theirs = source.states[layer][:, list(positions)]
    if torch.equal(base.states[layer][:, list(positions)], theirs):
        return base.next_ids
    state = base.states[layer][:, start:].clone()
    state[:, [position - start for position in positions]] = theirs
    parts = _parts(model)
    for block, call in zip(parts.blocks[layer:], base.calls[layer:], strict=True):
        state = block(state, past_key_values=_Before(base.cache, start), **_from(start, length, call))
    return parts.unembed(parts.norm(state[:, -1])).argmax(-1)


class _Parts(NamedTuple):
    blocks: list[nn.Module]
    norm: nn.Module
    unembed: nn.Module


def _parts(model: nn.Module) -> _Parts:
    blocks = list(model.get_submodule("model.layers").children())
    return _Parts(blocks, model.get_submodule("model.norm"), model.get_submodule("lm_head"))


class _Before:
    """The positions before a swap, as a block asks its cache for them."""

    def __init__(self, cache: DynamicCache, stop: int) -> None:
        self.cache, self.stop = cache, stop

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keys and values of all positions: the base's own before the swap, then these."""
        kept = self.cache.layers[layer]
        assert isinstance(kept, DynamicLayer), "a plain cache has plain layers"
        assert kept.keys is not None, "the base was read"
        assert kept.values is not None, "the base was read"
        return (
            torch.cat([kept.keys[:, :, : self.stop], keys], 2),
            torch.cat([kept.values[:, :, : self.stop], values], 2),
        )


def _from(start: int, length: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """A block's arguments for the positions from `start` on, for any number of prompts. No mask means causal."""
    mask = arguments["attention_mask"]
    mask = torch.ones(1, 1, length, length, dtype=torch.bool).tril() if mask is None else mask[:1]
    cos, sin = arguments["position_embeddings"]
    return {
        "attention_mask": mask[..., start:, :],
        "position_ids": arguments["position_ids"][:, start:],
        "position_embeddings": (cos[:, start:], sin[:, start:]),
    }


def measure_map(model: nn.Module, variable: Variable) -> InterchangeMap:
    """The map of one variable. Deterministic: pairs and controls have a fixed order."""
    swaps = variable.swaps()
    assert swaps, "a variable has swaps"
    assert all(len(words) == len(variable.roles) for swap in swaps for words in swap[:2]), "one word per role"
    after_base, after_source = (_words(_read(model, [swap[side] for swap in swaps]).next_ids) for side in (0, 1))
    base_right = _is_right(after_base, [swap.kept for swap in swaps])
    source_right = _is_right(after_source, [swap.right_after_source for swap in swaps])
    chosen = [swap for swap, *right in zip(swaps, base_right, source_right, strict=True) if all(right)]
    first = min(min(differing(swap)) for swap in swaps)
    return InterchangeMap(
        phenomenon=variable.phenomenon,
        name=variable.name,
        roles=variable.roles,
        intended=variable.intended,
        asked=len(swaps),
        base_right=sum(base_right),
        source_right=sum(source_right),
        counted=len(chosen),
        first=first,
        **_count(model, variable, chosen, first),
    )


def measure_maps(
    model: nn.Module, variables: Iterable[Variable], *, progress: Callable[[InterchangeMap], None] | None = None
) -> tuple[InterchangeMap, ...]:
    """The maps of some variables, in their order; `progress` is called after each."""
    tables = []
    for variable in variables:
        tables.append(measure_map(model, variable))
        if progress is not None:
            progress(tables[-1])
    return tuple(tables)


def differing(swap: Swap) -> list[int]:
    """The positions at which base and source have different words."""
    return [i for i, (ours, theirs) in enumerate(zip(swap.base, swap.source, strict=True)) if ours != theirs]


def controls(variable: Variable, chosen: Sequence[Swap]) -> list[tuple[Swap, Words]]:
    """Some of the pairs, each with a prompt of another pair to take states from instead.

    It lacks the source's value: it differs from the source where base and source differ, and what is right after it is
    not what the swap asks for. A pair without such a prompt is left out.
    """
    prompts = [prompt for s in chosen for prompt in ((s.base, s.kept), (s.source, s.right_after_source))]
    Random(f"controls of {variable.phenomenon} {variable.name}").shuffle(prompts)
    found = []
    for number, swap in enumerate(chosen):
        for words, right in prompts[number:] + prompts[:number]:
            foreign = words != swap.base and any(words[i] != swap.source[i] for i in differing(swap))
            if foreign and not right & swap.moved:
                found.append((swap, words))
                break
        if len(found) == N_CONTROLS:
            break
    return found


def _count(model: nn.Module, variable: Variable, chosen: list[Swap], first: int) -> dict[str, Any]:
    """The counts of a map, by name."""
    n_places, foreign = len(variable.roles) - first, controls(variable, chosen)
    alone = [(first + i + 1,) for i in range(n_places)]
    everywhere = tuple(position for (position,) in alone)
    pairs = [(swap.base, swap.source) for swap in chosen]
    after = _written(model, pairs, [*alone, everywhere])
    after_foreign = _written(model, [(swap.base, words) for swap, words in foreign], alone)
    whole = _hits([row[n_places:] for row in after], [swap.right_after_source for swap in chosen])
    single = [row[:n_places] for row in after]
    return {
        "moved": _hits(single, [swap.moved for swap in chosen]),
        "kept": _hits(single, [swap.kept for swap in chosen]),
        "control": _hits(after_foreign, [swap.moved for swap, _ in foreign]),
        "whole": tuple(count for (count,) in whole),
        "controlled": len(foreign),
    }


def _written(
    model: nn.Module, pairs: list[tuple[Words, Words]], places: Sequence[tuple[int, ...]]
) -> list[list[list[str]]]:
    """The next words after each pair's swap: by layer, by set of positions, by pair."""
    layers = range(len(_parts(model).blocks) + 1)
    if not pairs:
        return [[[] for _ in places] for _ in layers]
    base, source = (_read(model, [pair[side] for pair in pairs]) for side in (0, 1))
    return [[_words(swapped(model, base, source, layer, place)) for place in places] for layer in layers]


def _hits(written: list[list[list[str]]], right: Sequence[frozenset[str]]) -> Rows:
    """How many of the words are right, by layer and set of positions."""
    return tuple(tuple(sum(_is_right(words, right)) for words in row) for row in written)


def _is_right(written: Sequence[str], right: Sequence[frozenset[str]]) -> list[bool]:
    return [word in words for word, words in zip(written, right, strict=True)]


def _words(ids: Int[Tensor, " B"]) -> list[str]:
    return [VOCABULARY[token] for token in ids.tolist()]


def _read(model: nn.Module, prompts: Sequence[Words]) -> Run:
    return read(model, torch.tensor([ids_of(prompt) for prompt in prompts]))
