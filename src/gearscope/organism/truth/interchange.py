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

from gearscope.organism.truth.maps import InterchangeMap
from gearscope.organism.truth.swap import Swap, Variable, Words
from gearscope.organism.world.vocabulary import BOS, VOCABULARY

_TOKEN_ID = {word: index for index, word in enumerate(VOCABULARY)}


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
        for part in (*model.model.layers, model.model.norm):
            stack.callback(part.register_forward_pre_hook(keep, with_kwargs=True).remove)
        logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return Run(states, cache, calls[:-1], logits[:, -1].argmax(-1))


@torch.no_grad()
def swapped(model: nn.Module, base: Run, source: Run, layer: int, positions: Sequence[int]) -> Int[Tensor, " B"]:
    """The likeliest next tokens after the bases, with the states of the sources at some positions of a layer.

    `layer` is how many blocks stand below the swap.
    """
    start, length = min(positions), base.states[0].shape[1]
    state = base.states[layer][:, start:].clone()
    moved = [position - start for position in positions]
    state[:, moved] = source.states[layer][:, list(positions)]
    for index in range(layer, len(base.calls)):
        arguments = _from(start, length, base.calls[index])
        state = model.model.layers[index](state, past_key_values=_Before(base.cache, start), **arguments)
    return model.lm_head(model.model.norm(state[:, -1])).argmax(-1)


class _Before:
    """The positions before a swap, as a block asks its cache for them."""

    def __init__(self, cache: DynamicCache, stop: int) -> None:
        self.cache, self.stop = cache, stop

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keys and values of all positions: the base's own before the swap, then these."""
        kept = self.cache.layers[layer]
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
    base_right = _is_right(_read(model, [swap.base for swap in swaps]).next_ids, [swap.kept for swap in swaps])
    source_right = _is_right(
        _read(model, [swap.source for swap in swaps]).next_ids, [swap.right_after_source for swap in swaps]
    )
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


def controls(variable: Variable, chosen: Sequence[Swap]) -> dict[int, Words]:
    """Number of a pair -> a prompt of another pair to take states from instead.

    It lacks the source's value: it differs from the source where base and source differ, and what is right after it is
    not what the swap asks for. A pair has none where no other pair has such a prompt.
    """
    prompts = sorted(
        {prompt for s in chosen for prompt in ((s.base, s.kept), (s.source, s.right_after_source))}, key=str
    )
    Random(f"controls of {variable.phenomenon} {variable.name}").shuffle(prompts)
    found = {}
    for number, swap in enumerate(chosen):
        places = differing(swap)
        for words, right in prompts[number:] + prompts[:number]:
            foreign = any(words[i] != swap.source[i] for i in places) and words != swap.base
            if foreign and not right & swap.moved:
                found[number] = words
                break
    return found


def _count(model: nn.Module, variable: Variable, chosen: list[Swap], first: int) -> dict[str, Any]:
    """The counts of a map, by name."""
    n_layers, places = len(model.model.layers), range(first, len(variable.roles))
    if not chosen:
        nothing = ((0,) * len(places),) * (n_layers + 1)
        return {"controlled": 0, "moved": nothing, "kept": nothing, "control": nothing, "whole": (0,) * (n_layers + 1)}
    base, source = (_read(model, [swap[side] for swap in chosen]) for side in (0, 1))
    foreign = controls(variable, chosen)
    other = _read(model, [foreign.get(number, swap.base) for number, swap in enumerate(chosen)])
    kept, moved = ([swap.kept for swap in chosen], [swap.moved for swap in chosen])
    own = [swap.right_after_source for swap in chosen]

    rows: dict[str, list[tuple[int, ...]]] = {"moved": [], "kept": [], "control": []}
    whole = []
    for layer in range(n_layers + 1):
        after = [swapped(model, base, source, layer, [place + 1]) for place in places]
        against = [swapped(model, base, other, layer, [place + 1]) for place in places]
        for name, written, right in (("moved", after, moved), ("kept", after, kept), ("control", against, moved)):
            rows[name].append(tuple(sum(_is_right(ids, right)) for ids in written))
        everywhere = swapped(model, base, source, layer, [place + 1 for place in places])
        whole.append(sum(_is_right(everywhere, own)))
    counts = {name: tuple(counted) for name, counted in rows.items()}
    return {"controlled": len(foreign), "whole": tuple(whole), **counts}


def _read(model: nn.Module, prompts: Sequence[Words]) -> Run:
    return read(model, torch.tensor([[_TOKEN_ID[word] for word in (BOS, *prompt)] for prompt in prompts]))


def _is_right(written: Int[Tensor, " B"], right: Sequence[frozenset[str]]) -> list[bool]:
    return [VOCABULARY[token] in words for token, words in zip(written.tolist(), right, strict=True)]
